// SPDX-License-Identifier: Apache-2.0
// A server that talks to others on its own: fetches that timers begin, and connections that stay open.
import { createServer } from "node:http";
import { createSocket } from "node:dgram";
import * as net from "node:net";

const now = () => performance.now();
const fetched = [], kept = [];
let heard = [];

// Fetches count times, one behind the other, after `after` ms; notes how long each took.
function later(url, after, count) {
	setTimeout(async () => {
		for (let n = 0; n < count; n++) {
			const begun = now();
			const text = await fetch(url).then((r) => r.text(), (e) => String(e.cause ?? e));
			fetched.push({ text, ms: now() - begun });
		}
	}, after);
}

// Opens connections, says a line on each, and keeps them; notes the lines that come.
function keep(host, port, count, words) {
	const one = () => new Promise((done, fail) => {
		const socket = net.connect(port, host, () => socket.write(words + "\n"));
		let rest = "";
		socket.on("data", (data) => {
			const lines = (rest + data).split("\n");
			rest = lines.pop();
			heard.push(...lines.map((line) => ({ line, at: performance.timeOrigin + now() })));
			if (lines.includes("ping")) socket.write("pong\n");
			done("open");
		});
		socket.on("close", () => heard.push({ line: "closed", at: performance.timeOrigin + now() }));
		socket.on("error", fail);
		kept.push(socket);
	});
	return Promise.all(Array.from({ length: count }, one));
}

// The same over UDP: one socket for all.
function datagrams(host, port, words) {
	const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
	kept.push(socket);
	return new Promise((done) => {
		socket.on("message", (data) => {
			heard.push({ line: String(data).trim(), at: performance.timeOrigin + now() });
			done("open");
		});
		socket.send(words, port, host);
	});
}

const paths = {
	"/": () => "ok",
	"/later": (q) => later(q.get("url") ?? process.env[q.get("env")] + q.get("path"), Number(q.get("after")),
		Number(q.get("count") ?? 1)),
	"/fetched": () => fetched,
	"/keep": (q) => keep(q.get("to"), Number(q.get("port")), Number(q.get("count")), q.get("words")),
	"/datagrams": (q) => datagrams(q.get("to"), Number(q.get("port")), q.get("words")),
	"/heard": () => [heard, (heard = [])][0],
};

createServer(async (request, response) => {
	const url = new URL(request.url, "http://x");
	const run = paths[url.pathname];
	const result = run ? await run(url.searchParams) : undefined;
	response.statusCode = run ? 200 : 404;
	response.setHeader("content-type", "application/json");
	response.end(JSON.stringify(result ?? null));
}).listen(Number(process.env.PORT || 8080));
process.on("SIGTERM", () => process.exit(0));
