// SPDX-License-Identifier: Apache-2.0
// The World of the Node image without the Workflow SDK: a test calls its methods, and handlers do as messages say.
import { createRequire } from "node:module";
const world = createRequire(import.meta.url)(process.env.WORKFLOW_TARGET_WORLD).createWorld();
const SDK = "/.well-known/workflow/v1/";
const seen = [];

const bytes = (text) => Uint8Array.from(Buffer.from(text, "base64"));
const revive = (_, value) => (value?.bytes !== undefined ? bytes(value.bytes) : value?.time ? new Date(value.time) : value);

function replace(key, value) {
	const own = this[key];
	if (own instanceof Uint8Array) return { bytes: Buffer.from(own).toString("base64") };
	return own instanceof Date ? { time: own.getTime() } : value;
}

const json = (value, status = 200) =>
	new Response(JSON.stringify(value ?? null, replace), { status, headers: { "content-type": "application/json" } });

// Many readers of one stream at once: what each of them has so far.
let readers = [];
async function read(name, count) {
	readers = Array.from({ length: count }, () => []);
	for (const got of readers) {
		const follow = async () => {
			for await (const chunk of await world.readFromStream(name)) got.push(chunk.length);
			got.push("end");
		};
		follow().catch((error) => got.push(String(error)));
	}
}

async function call(name, args) {
	if (name === "read") return read(...args);
	if (name === "readers") return readers;
	const [first, second] = name.split(".");
	const method = second ? world[first][second] : world[first];
	const value = await method(...args);
	if (!(value instanceof ReadableStream)) return value;
	const chunks = [];
	for await (const chunk of value) chunks.push(chunk);
	return chunks;
}

// What a delivery does: the payload says it, by attempt or for all.
async function act(payload, meta) {
	seen.push({ ...meta, payload, at: Date.now() });
	const todo = payload.do?.[meta.attempt] ?? payload.do?.all;
	if (todo?.fail) throw new Error(todo.fail);
	const before = seen.filter((one) => one.payload.runId === payload.runId).length;
	if (todo?.again !== undefined && before <= (todo.times ?? 1)) return { timeoutSeconds: todo.again };
}

const routes = {
	flow: world.createQueueHandler("__wkf_workflow_", act),
	step: world.createQueueHandler("__wkf_step_", act),
};

export default {
	async fetch(request) {
		const path = new URL(request.url).pathname;
		if (path.startsWith(SDK)) return routes[path.slice(SDK.length)](request);
		if (path === "/seen") return json(seen);
		if (path === "/") return json({ target: process.env.WORKFLOW_TARGET_WORLD, pid: process.pid });
		const { name, args } = JSON.parse(await request.text(), revive);
		try {
			return json({ value: (await call(name, args)) ?? null });
		} catch (error) {
			return json({ error: { name: error.name, ...error, cause: undefined, message: error.message } });
		}
	},
};
