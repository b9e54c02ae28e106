// SPDX-License-Identifier: Apache-2.0
// An ordinary server of Deno; nothing in it knows of ebb.
import { getHeapStatistics } from "node:v8";

async function answer(request: Request): Promise<Response> {
	const url = new URL(request.url);
	switch (url.pathname) {
	case "/": {
		console.log(request.method, request.url);
		return new Response("hello from deno\n");
	}
	case "/sleep": {
		const ms = Number(url.searchParams.get("ms"));
		await new Promise(done => setTimeout(done, ms));
		return Response.json({ slept_ms: ms });
	}
	case "/echo":
		return new Response(request.body, {
			headers: { "content-type": request.headers.get("content-type") ?? "application/octet-stream" },
		});
	case "/limits": // what Deno believes that it has
		return Response.json({ cpus: navigator.hardwareConcurrency, memory: getHeapStatistics().heap_size_limit });
	}
	return new Response("no such page\n", { status: 404 });
}

const server = Deno.serve({ port: Number(Deno.env.get("PORT")), hostname: "0.0.0.0" }, answer);
Deno.addSignalListener("SIGTERM", () => server.shutdown());
