// SPDX-License-Identifier: Apache-2.0
// The Streamer of a World. A reader waits in ebb-flow for the next chunk, so nothing polls.
"use strict";
const { createHash } = require("node:crypto");
const { BASE } = require("./storage.cjs");
const { bytes } = require("./value.cjs");

const NAME_MAX = 255;
const WAIT_S = 30;
const PAGE = 1000;
const SOON_MS = 100; // between two questions, when ebb-flow answers before the time
const BODY_MAX = 4 * 1024 * 1024;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The name of a stream in a path; a long one is its hash.
function segment(name) {
	const safe = encodeURIComponent(name).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
	return safe.length <= NAME_MAX ? safe : createHash("sha256").update(name).digest("hex");
}

function frame(chunk) {
	const octets = Buffer.from(chunk);
	const size = Buffer.alloc(4);
	size.writeUInt32BE(octets.length);
	return Buffer.concat([size, octets]);
}

// Bodies of frames, each as large as ebb-flow takes.
function bodies(chunks) {
	const all = [];
	let size = Infinity;
	for (const one of chunks.map(frame)) {
		if (size + one.length > BODY_MAX) {
			all.push([]);
			size = 0;
		}
		all[all.length - 1].push(one);
		size += one.length;
	}
	return all.map((parts) => Buffer.concat(parts));
}

function createWriter(client) {
	const tails = new Map(); // by stream: the write before, so that chunks keep the order of their calls

	function behind(name, work) {
		const before = tails.get(name) ?? Promise.resolve();
		const now = before.then(work, work);
		tails.set(name, now);
		const forget = () => {
			if (tails.get(name) === now) tails.delete(name);
		};
		now.then(forget, forget);
		return now;
	}

	async function post(name, runId, headers, body) {
		const path = `${BASE}/streams/${segment(name)}?run=${encodeURIComponent(runId)}`;
		await client.call(path, { method: "POST", headers, body });
	}

	function write(name, run, chunks) {
		const ready = bodies(chunks); // a caller may change its chunk when the call has returned
		return behind(name, async () => {
			const runId = await run;
			for (const body of ready) await post(name, runId, { "x-ebb-frames": "1" }, body);
		});
	}

	return {
		writeToStream: (name, runId, chunk) => write(name, runId, [chunk]),
		writeToStreamMulti: (name, runId, chunks) => write(name, runId, chunks),
		closeStream: (name, run) =>
			behind(name, async () => post(name, await run, { "x-ebb-close": "1" }, Buffer.alloc(0))),
	};
}

function createReader(client) {
	const ask = (name, from, limit, wait, signal) =>
		client.call(`${BASE}/streams/${segment(name)}?from=${from}&limit=${limit}&wait=${wait}`, { wait, signal });

	// Chunks from an index on; resolves when there are some, or the stream is over.
	async function next(name, from, signal) {
		for (;;) {
			const asked = Date.now();
			const answer = await ask(name, from, PAGE, WAIT_S, signal);
			if (answer.data.length > 0 || (answer.closed && !answer.hasMore)) return answer;
			if (Date.now() - asked < 1000) await pause(SOON_MS);
		}
	}

	async function readFromStream(name, startIndex = 0) {
		const gone = new AbortController();
		let from = startIndex;
		return new ReadableStream({
			async pull(controller) {
				const answer = await next(name, from, gone.signal);
				for (const { data } of answer.data) if (data) controller.enqueue(bytes(data));
				from = answer.next;
				if (answer.closed && !answer.hasMore) controller.close();
			},
			cancel: () => gone.abort(),
		});
	}

	return {
		readFromStream,
		async listStreamsByRunId(runId) {
			const answer = await client.call(`${BASE}/streams?run=${encodeURIComponent(runId)}`);
			return answer.data.map(decodeURIComponent);
		},
		async getStreamChunks(name, runId, options = {}) {
			const answer = await ask(name, Number(options.cursor) || 0, options.limit ?? 100, 0);
			return {
				data: answer.data.map(({ index, data }) => ({ index, data: bytes(data) })),
				cursor: answer.hasMore ? String(answer.next) : null,
				hasMore: answer.hasMore,
				done: answer.closed,
			};
		},
		async getStreamInfo(name) {
			const answer = await ask(name, 0, 0, 0);
			return { tailIndex: answer.tail, done: answer.closed };
		},
	};
}

exports.createStreamer = (client) => ({ ...createWriter(client), ...createReader(client) });
