// SPDX-License-Identifier: Apache-2.0
// An ordinary server of Bun; nothing in it knows of ebb.
import { availableParallelism } from "node:os";

/** So many ms long: keeps so many small objects, and replaces them. Returns how many it made. */
function makeGarbage(kept: number, ms: number): number {
	const one = (i: number) => ({ i, text: ["x" + i], more: { i } });
	const all = Array.from({ length: kept }, (_, i) => one(i));
	const until = Date.now() + ms;
	let made = 0;
	for (; Date.now() < until; made++)
		all[(made * 7919) % kept] = one(made);
	return made;
}

const server = Bun.serve({
	port: process.env.PORT,
	hostname: "0.0.0.0",
	routes: {
		"/": request => {
			console.log(request.method, request.url);
			return new Response("hello from bun\n");
		},
		"/sleep": async request => {
			const ms = Number(new URL(request.url).searchParams.get("ms"));
			await Bun.sleep(ms);
			return Response.json({ slept_ms: ms });
		},
		"/echo": { POST: request => new Response(request.body, {
			headers: { "content-type": request.headers.get("content-type") ?? "application/octet-stream" },
		}) },
		// The limits that Bun sees; its heap grows by another one (BUN_JSC_forceRAMSize).
		"/limits": () => Response.json({ cpus: availableParallelism(), memory: process.constrainedMemory() }),
		"/garbage": request => {
			const query = new URL(request.url).searchParams;
			return Response.json({ made: makeGarbage(Number(query.get("kept")), Number(query.get("ms"))) });
		},
	},
});

process.on("SIGTERM", async () => {
	await server.stop();
	process.exit(0);
});
console.log("listening on", server.port);
