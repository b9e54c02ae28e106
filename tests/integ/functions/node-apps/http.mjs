// SPDX-License-Identifier: Apache-2.0
// A server of Node's http module, with a path for each behaviour that the tests need.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { background, later, log, THROWS } from "./work.mjs";

const seen = { closed: 0, finishedAfterClose: 0, lateMs: null };
const json = (res, value) => {
	res.setHeader("content-type", "application/json");
	res.end(JSON.stringify(value));
};

const routes = {
	"/": (req, res) => res.end("hello from http\n"),
	"/peer": (req, res) => json(res, { peer: req.socket.remoteAddress }),
	"/later": (req, res, query) => json(res, later(query)),
	"/done": (req, res) => json(res, background.done),
	"/seen": (req, res) => json(res, seen),
	// A timer of the program, for which nobody waits.
	"/timer": (req, res, query) => {
		const due = performance.now() + Number(query.get("ms"));
		setTimeout(() => (seen.lateMs = performance.now() - due), Number(query.get("ms")));
		res.end("set\n");
	},
	"/log": async (req, res, query) => json(res, await log(query)),
	"/sleep": async (req, res, query) => {
		await sleep(Number(query.get("ms")));
		json(res, { slept: true });
	},
	// Waits; a client that goes away ends the wait, not the work behind it.
	"/wait": (req, res, query) => {
		res.on("close", () => seen.closed++);
		if (query.get("name")) later(query);
	},
	"/body": (req, res) => {
		req.resume().on("end", () => {
			throw new Error("thrown at the body's end");
		});
	},
	"/late": (req, res) => {
		res.write("begun");
		setTimeout(() => {
			throw new Error("thrown behind the head");
		}, 5);
	},
	"/throw": (req, res, query) => THROWS[query.get("in")](),
	"/nobody": (req, res) => {
		res.end("soon\n");
		process.emit("nobody");
	},
	"/exit": () => process.exit(7),
	// Says "full" when it has kept so much, and keeps it while the client waits.
	"/hoard": async (req, res, query) => {
		const kept = [];
		for (let mb = 0; mb < Number(query.get("mb")); mb++) {
			for (let n = 0; n < 1024; n++) kept.push(new Array(125).fill(n)); // 1 KiB each
			await sleep(1); // two CPUs full of collecting would be another reason to be left alone
		}
		res.write("full\n");
		res.on("close", () => (kept.length = 0));
	},
	"/heap": (req, res) => json(res, getHeapStatistics()),
	"/block": (req, res, query) => {
		console.log("blocking");
		const until = Date.now() + Number(query.get("ms"));
		while (Date.now() < until);
		res.end("blocked\n");
	},
};
// An interval of the program itself: what it throws belongs to no request.
let pending = false;
process.on("nobody", () => (pending = true));
if (process.env.POLL)
	setInterval(() => {
		if (!pending) return;
		pending = false;
		throw new Error("thrown for nobody");
	}, 5).unref();

const server = http.createServer((req, res) => {
	const url = new URL(req.url, "http://localhost");
	const route = routes[url.pathname];
	if (!route) return res.writeHead(404).end();
	return route(req, res, url.searchParams);
});
server.listen(process.env.PORT, () => console.log("listening on", server.address().port));
