// SPDX-License-Identifier: Apache-2.0
// The same service as fetch-style handlers, one per method; no npm package, no server.
import { setTimeout as sleep } from "node:timers/promises";

const BLOCK = new Uint8Array(65536).fill(120);

const routes = {
	"/": () => new Response("hello from fetch\n"),
	// Waits without using the CPU, and no longer than its client does.
	"/sleep": async ({ signal }, query) => {
		await sleep(Number(query.get("ms")), null, { signal });
		return Response.json({ slept_ms: Number(query.get("ms")) });
	},
	"/burn": (request, query) => {
		const before = process.cpuUsage();
		const until = process.hrtime.bigint() + BigInt(Number(query.get("ms"))) * 1000000n;
		while (process.hrtime.bigint() < until);
		const used = process.cpuUsage(before);
		return Response.json({ cpu_us: used.user + used.system });
	},
	"/size": (request, query) => {
		let left = Number(query.get("bytes"));
		const body = new ReadableStream({
			pull(controller) {
				if (left <= 0) return controller.close();
				controller.enqueue(BLOCK.subarray(0, Math.min(left, BLOCK.length)));
				left -= BLOCK.length;
			},
		});
		return new Response(body, { headers: { "content-length": String(left) } });
	},
	// Answers at once and works on: the instance is not frozen before the work has ended.
	"/later": (request, query, context) => {
		const ms = Number(query.get("ms"));
		context.waitUntil(sleep(ms).then(() => console.log(`worked for ${ms} ms`)));
		return new Response("accepted\n", { status: 202 });
	},
};

export function GET(request, context) {
	const url = new URL(request.url);
	const route = routes[url.pathname];
	return route ? route(request, url.searchParams, context) : new Response(null, { status: 404 });
}

export function POST(request) {
	return new Response(request.body, {
		headers: { "content-type": request.headers.get("content-type") ?? "application/octet-stream" },
	});
}
