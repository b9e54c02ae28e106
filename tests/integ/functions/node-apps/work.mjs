// SPDX-License-Identifier: Apache-2.0
// Work that every application of this directory offers, with or without a framework: the ways to throw, and
// work behind the answer. It knows nothing of ebb, only the request context that npm @vercel/functions finds.
import { EventEmitter } from "node:events";
import { createReadStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { getDeadline, waitUntil } from "@vercel/functions";

export const THROWS = {
	handler() {
		throw new Error("thrown in handler");
	},
	timer() {
		setTimeout(() => {
			throw new Error("thrown in timer");
		}, 5);
	},
	promise() {
		(async () => {
			await sleep(5);
			throw new Error("thrown in promise");
		})();
	},
	emitter() {
		const emitter = new EventEmitter();
		setTimeout(() => emitter.emit("error", new Error("thrown in emitter")), 5);
	},
	stream() {
		createReadStream("/thrown/in/stream").resume();
	},
};

// Ways in which a request ends badly never answer by themselves.
export const never = () => new Promise(() => {});

export const background = { done: [] };

// /later?ms=N&name=X: answers at once, works on for N ms.
export function later(query) {
	const name = query.get("name");
	waitUntil(
		sleep(Number(query.get("ms"))).then(() => {
			console.log(`background work ${name} done`);
			background.done.push(name);
		}),
	);
	return { deadline: getDeadline()?.getTime() ?? null };
}

// /log?n=N&name=X: N lines with waits between them, in both streams.
export async function log(query) {
	const name = query.get("name");
	for (let i = 0; i < Number(query.get("n")); i++) {
		console.log(`line ${i} of ${name}`);
		await sleep(1);
		process.stderr.write(`half `);
		await sleep(1);
		process.stderr.write(`${i} of ${name}\n`);
	}
	return { logged: name };
}
