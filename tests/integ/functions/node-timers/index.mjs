// SPDX-License-Identifier: Apache-2.0
// Timers, pools and counters in an ordinary Node server; nothing in it knows of ebb.
import { createServer } from "node:http";
import * as net from "node:net";
import genericPool from "generic-pool";
import pg from "pg";

let late = [];
let closed = [];
const counts = new Map();
const now = () => performance.now();

function once(ms) {
	const due = now() + ms;
	setTimeout(() => late.push(now() - due), ms);
}

function every(ms, count) {
	let due = now() + ms;
	const timer = setInterval(() => {
		late.push(now() - due);
		due = now() + ms; // as Node reckons the next one
		if (--count <= 0) clearInterval(timer);
	}, ms);
}

// --- a pool of things, and a pool of connections to a database -----------------------------------
let returned = 0;
const pool = genericPool.createPool(
	{ create: async () => ({}), destroy: async () => void closed.push(now() - returned) },
	{ min: 0, max: 4, idleTimeoutMillis: 2000, evictionRunIntervalMillis: 500 },
);

// What a client needs to connect and to end: AuthenticationOk, ReadyForQuery; Terminate is a close.
const database = net.createServer((socket) => {
	socket.once("data", () => {
		socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]));
		socket.on("data", () => {});
	});
	socket.on("error", () => {});
	socket.on("close", () => closed.push(now() - returned));
});
database.listen(5432, "127.0.0.1");
const pgPool = new pg.Pool({ host: "127.0.0.1", user: "u", database: "d", idleTimeoutMillis: 2000 });
pgPool.on("error", () => {});

async function borrow(give, back) {
	const thing = await give();
	await back(thing);
	returned = now();
	return "returned";
}

function spin(ms) {
	const end = now() + ms;
	const some = () => {
		const until = now() + 20;
		while (now() < until);
		if (now() < end) setImmediate(some);
	};
	setImmediate(some);
}

// Work that a timer begins; late by as long as it takes.
function job(ms, busy) {
	const due = now() + ms;
	setTimeout(() => {
		const some = () => {
			const until = now() + 20;
			while (now() < until);
			if (now() < due + busy) setImmediate(some);
			else late.push(now() - due);
		};
		some();
	}, ms);
}

function count(n) {
	counts.set(n, (counts.get(n) || 0) + 1);
	return n;
}

const paths = {
	"/": () => "ok",
	"/once": (q) => once(Number(q.get("ms"))),
	"/every": (q) => every(Number(q.get("ms")), Number(q.get("count"))),
	"/fired": () => [late, (late = [])][0],
	"/closed": () => [closed, (closed = [])][0],
	"/pool": () => borrow(() => pool.acquire(), (thing) => pool.release(thing)),
	"/pg": () => borrow(() => pgPool.connect(), (client) => client.release()),
	"/spin": (q) => spin(Number(q.get("ms"))),
	"/job": (q) => job(Number(q.get("ms")), Number(q.get("busy"))),
	"/count": (q) => count(q.get("n")),
	"/counts": () => ({ asked: counts.size, twice: [...counts].filter(([, k]) => k > 1).map(([n]) => n) }),
};

createServer(async (request, response) => {
	const url = new URL(request.url, "http://x");
	const run = paths[url.pathname];
	const result = run ? await run(url.searchParams) : undefined;
	response.statusCode = run ? 200 : 404;
	response.setHeader("content-type", "application/json");
	response.end(JSON.stringify(result ?? null));
}).listen(Number(process.env.PORT || 8080), undefined, 1024);
process.on("SIGTERM", () => process.exit(0));
