// SPDX-License-Identifier: Apache-2.0
// producers.mjs KIND PRODUCERS COUNT ADDRESS: so many at once make COUNT of them, each the next one when its last is
// durable; prints how many a second. KIND: ebb, graphile, redis (messages), sleeping (runs of workflows that sleep).
import http from "node:http";
import net from "node:net";

const [kind, producers, count, address] = [process.argv[2], +process.argv[3], +process.argv[4], process.argv[5]];
const BODY = JSON.stringify({ order: 1, note: "x".repeat(80) });
const DAY_S = 86400;

// --- ebb, over the socket inside an instance; address: its URL -------------------------------------------------------
function client() {
	const agent = new http.Agent({ keepAlive: true, maxSockets: producers });
	const place = new URL(address);
	return (path, headers, body) => new Promise((resolve, reject) => {
		const options = { agent, host: place.hostname, port: place.port, path, method: "POST",
			headers: { ...headers, "content-length": Buffer.byteLength(body) } };
		const request = http.request(options, (response) => {
			response.resume();
			response.on("end", () => (response.statusCode === 201 ? resolve() : reject(new Error(`${path}: ${response.statusCode}`))));
		});
		request.on("error", reject);
		request.end(body);
	});
}

async function ebb() {
	const post = client();
	return () => post("/api/v3/topic/bench", { "content-type": "application/json" }, BODY);
}

// A run as the World makes one that sleeps for a day: three events, and the message that goes on with it.
async function sleeping() {
	const post = client(), first = Date.now();
	return async (n) => {
		const run = `wrun_${first}_${n}`;
		const event = (name, more, body = "") =>
			post(`/api/ebb/workflow/v1/runs/${run}/events`, { "x-ebb-event": name, "x-ebb-spec": "3", ...more }, body);
		await event("run_created", { "x-ebb-name": "workflow//./workflows/order//order", "x-ebb-deployment": "web@1" }, BODY);
		await event("run_started", {});
		await event("wait_created", { "x-ebb-correlation": "wait_1", "x-ebb-resume-at": String(Date.now() + DAY_S * 1000) });
		await post("/api/v3/topic/bench", { "content-type": "application/json", "vqs-delay-seconds": String(DAY_S),
			"vqs-retention-seconds": String(2 * DAY_S), "vqs-idempotency-key": run }, JSON.stringify({ payload: { runId: run } }));
	};
}

// --- graphile-worker on PostgreSQL; address: a connection string ------------------------------------------------------
async function graphile() {
	const { default: pg } = await import("pg");
	const { makeWorkerUtils } = await import("graphile-worker");
	const utils = await makeWorkerUtils({ pgPool: new pg.Pool({ connectionString: address, max: producers }) });
	await utils.migrate();
	return () => utils.addJob("bench", { order: 1, note: "x".repeat(80) });
}

// --- streams of Redis; address: HOST:PORT:PASSWORD ---------------------------------------------------------------------
function connection(host, port, password) {
	const socket = net.connect(+port, host), waiting = [];
	let text = "";
	socket.on("data", (data) => {
		text += data;
		// +OK, or $LENGTH and the id: a command is one line or two.
		for (let line; (line = /^(?:\+.*\r\n|\$\d+\r\n.*\r\n|-.*\r\n)/.exec(text)); text = text.slice(line[0].length)) {
			const { resolve, reject } = waiting.shift();
			if (line[0].startsWith("-")) reject(new Error(line[0]));
			else resolve();
		}
	});
	const ask = (...words) => new Promise((resolve, reject) => {
		waiting.push({ resolve, reject });
		socket.write(`*${words.length}\r\n` + words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join(""));
	});
	ask("AUTH", password).catch((error) => { throw error; });
	return ask;
}

async function redis() {
	const asks = Array.from({ length: producers }, () => connection(...address.split(":")));
	return (n, producer) => asks[producer]("XADD", "bench", "*", "body", BODY);
}

const send = await { ebb, sleeping, graphile, redis }[kind]();
let next = 0;
async function produce(producer, most) {
	while (next < most) await send(next++, producer);
}
async function all(most) {
	await Promise.all(Array.from({ length: producers }, (_, producer) => produce(producer, most)));
}
await all(producers); // each has its connection
const begun = performance.now();
await all(producers + count);
console.log((count / (performance.now() - begun)) * 1000);
process.exit(0);
