// SPDX-License-Identifier: Apache-2.0
// A server of Node's own http that can die in every way, or get stuck.
import http from "node:http";

const kept = [];

// only=ID: the instance with this id sleeps; any other answers at once.
const isAnother = (query) => query.has("only") && query.get("only") !== process.env.EBB_INSTANCE;

const paths = {
	"/": (query, res) => res.end("alive\n"),
	"/sleep": (query, res) => setTimeout(() => res.end("slept\n"), isAnother(query) ? 0 : Number(query.get("ms"))),
	"/exit": (query) => process.exit(Number(query.get("code") || 3)),
	"/segfault": () => process.kill(process.pid, "SIGSEGV"),
	"/oom": () => {
		for (;;) kept.push(Buffer.alloc(1 << 20, kept.length + 1));
	},
	"/spin": () => {
		for (;;);
	},
};

http.createServer((req, res) => {
	const url = new URL(req.url, "http://function");
	const answer = paths[url.pathname];
	if (answer) answer(url.searchParams, res);
	else res.writeHead(404).end();
}).listen(Number(process.env.PORT));
