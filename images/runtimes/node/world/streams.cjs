// SPDX-License-Identifier: Apache-2.0
// The Streamer of a World. A reader waits in ebb-flow for the next chunk, so nothing polls.
"use strict";
const { BASE, query, segment } = require("./paths.cjs");
const { bytes } = require("./value.cjs");

const WAIT_S = 30;
const PAGE = 1000;
const WAITING_MAX = 24; // readers of this process; each has a connection, of the 64 that an instance may have
const SOON_MS = 100; // between two questions, when ebb-flow answers before the time
const LATER_MS = 1000; // between two questions of a reader that finds no place to wait
const BODY_MAX = 4 * 1024 * 1024;
let waiting = 0; // readers
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

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
		const path = `${BASE}/streams/${segment(name)}${query({ run: runId })}`;
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
		client.call(`${BASE}/streams/${segment(name)}${query({ from, limit, wait })}`, { wait, signal });

	// Asks and waits, where there is a place.
	async function askPatiently(name, from, signal) {
		if (waiting >= WAITING_MAX) return { ...(await ask(name, from, PAGE, 0, signal)), pauseMs: LATER_MS };
		const asked = Date.now();
		waiting++;
		try {
			const answer = await ask(name, from, PAGE, WAIT_S, signal);
			return { ...answer, pauseMs: Date.now() - asked < 1000 ? SOON_MS : 0 };
		} finally {
			waiting--;
		}
	}

	// Chunks from an index on; resolves when there are some, or the stream is over.
	async function next(name, from, signal) {
		for (;;) {
			const answer = await askPatiently(name, from, signal);
			if (answer.data.length > 0 || (answer.closed && !answer.hasMore)) return answer;
			await pause(answer.pauseMs);
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
			const answer = await client.call(`${BASE}/streams${query({ run: runId })}`);
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
