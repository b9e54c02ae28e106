// SPDX-License-Identifier: Apache-2.0
// The cacheHandler of a Next.js server in an image: pages, answers of fetch and revalidated tags are shared with the other
// instances of its namespace, by ebb-flow at EBB_QUEUE_URL (docs/internals/page-protocol.md). Without that variable it is
// Next.js's own cache. A value that cannot be had is made anew; nothing is served that a tag might have made void.
"use strict";
const { AsyncLocalStorage } = require("node:async_hooks");
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const v8 = require("node:v8");
const FileSystemCache = require("next/dist/server/lib/incremental-cache/file-system-cache").default;
const tags = require("next/dist/server/lib/incremental-cache/tags-manifest.external");

const BASE = "/api/ebb/pages/v1/";
const VALUE_MAX = 4 << 20;
const MARKS_AT_ONCE = 128;
const PATIENCE_MS = 3000;
const PAUSES_MS = [50, 200, 800]; // ebb-flow comes back within a second
const ALONE_MS = 2000; // pages are made without asking, after a failure
const QUIET_MS = 60_000;

const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
const found = new AsyncLocalStorage(); // the shared value, while Next.js's own code looks at its tags
let known = 0; // number of the newest mark that this process has
let learning;
let group; // of this build: its name in keys and tags
let saidAt = -Infinity, failedAt = -Infinity;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const digest = (text) => createHash("sha256").update(text).digest("hex");
const isShared = () => Boolean(process.env.EBB_QUEUE_URL);

const isAlone = () => performance.now() - failedAt < ALONE_MS;

function complain(error) {
	failedAt = performance.now();
	if (performance.now() - saidAt < QUIET_MS) return;
	saidAt = performance.now();
	console.error(`ebb: pages are not shared now: ${error.message}`);
}

function once(method, target, body) {
	return new Promise((resolve, reject) => {
		const url = new URL(BASE + target, process.env.EBB_QUEUE_URL);
		const headers = body ? { "content-length": body.length } : {};
		const request = http.request(url, { agent, method, headers, timeout: PATIENCE_MS }, (response) => {
			const parts = [];
			response.on("data", (part) => parts.push(part));
			response.on("error", reject);
			response.on("end", () =>
				resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
		});
		request.on("timeout", () => request.destroy(Object.assign(new Error("ebb-flow does not answer"), { isLate: true })));
		request.on("error", reject);
		request.end(body);
	});
}

// Each request may be sent again: a second time changes nothing.
async function ask(method, target, body) {
	for (let tries = 0; ; tries++) {
		let answer, fault;
		try {
			answer = await once(method, target, body);
		} catch (error) {
			fault = error;
		}
		if (answer && answer.status !== 503 && answer.status !== 429) return answer;
		if (tries === PAUSES_MS.length || fault?.isLate) throw fault ?? new Error(`${method} ${target}: ${answer.status} ${answer.body}`);
		await pause(PAUSES_MS[tries]);
	}
}

function need(answer, ...statuses) {
	if (!statuses.includes(answer.status)) throw new Error(`${answer.status} ${answer.body.subarray(0, 200)}`);
	return answer;
}

// Next.js 15 has a time for a tag, and 16 has two.
function note(tag, stale, expired) {
	if (tags.isStale) tags.tagsManifest.set(tag, Math.max(tags.tagsManifest.get(tag) ?? 0, expired || stale));
	else tags.tagsManifest.set(tag, { ...(stale && { stale }), ...(expired && { expired }) });
}

async function learn() {
	const answer = need(await ask("GET", `marks?after=${known}`), 200);
	const { marks, newest, hasMore } = JSON.parse(answer.body);
	for (const { tag, stale, expired } of marks) if (tag.startsWith(group)) note(tag.slice(group.length), stale, expired);
	known = hasMore ? marks.at(-1).number : Math.max(known, newest);
}

async function learnUpTo(newest) {
	while (known < newest) {
		learning ??= learn().finally(() => (learning = undefined));
		await learning;
	}
}

// Builds of one project may have one id; their previews have keys of their own.
function nameOfBuild(serverDir) {
	const read = (name) => fs.readFileSync(path.join(serverDir, "..", name));
	return digest(Buffer.concat([read("BUILD_ID"), read("prerender-manifest.json")])).slice(0, 16) + ":";
}

module.exports = class SharedCache extends FileSystemCache {
	constructor(options) {
		super(isShared() ? { ...options, maxMemoryCacheSize: 0 } : options);
		if (!isShared()) return;
		group ??= nameOfBuild(options.serverDistDir);
		FileSystemCache.memoryCache = {
			get: (key) => (found.getStore()?.key === key ? found.getStore().data : undefined),
			set() {},
		};
	}

	placeOf(key, isFetch) {
		return `values/${digest(`${group}${isFetch ? "fetch" : "page"}:${key}`)}`;
	}

	async get(key, context) {
		if (!isShared()) return super.get(key, context);
		if (isAlone()) return null;
		let data, floor;
		try {
			const answer = need(await ask("GET", this.placeOf(key, context.kind === "FETCH")), 200, 404);
			await learnUpTo(Number(answer.headers["x-ebb-marks"]));
			floor = Number(answer.headers["x-ebb-floor"]);
			if (answer.status === 200) data = v8.deserialize(answer.body);
		} catch (error) {
			complain(error);
			return null;
		}
		const entry = await found.run({ key, data }, () => super.get(key, context));
		return entry && !data && entry.lastModified <= floor ? null : entry;
	}

	async set(key, value, context) {
		if (!isShared()) return super.set(key, value, context);
		if (isAlone()) return;
		const cacheControl = context.fetchCache ? undefined : context.cacheControl;
		try {
			const body = v8.serialize({ value, lastModified: Date.now(), cacheControl });
			if (body.length > VALUE_MAX) return;
			need(await ask("PUT", this.placeOf(key, context.fetchCache), body), 204);
		} catch (error) {
			complain(error);
		}
	}

	// Rejects where the other instances cannot hear of it.
	async revalidateTag(names, durations) {
		if (!isShared()) return super.revalidateTag(names, durations);
		const now = Date.now(), list = [names].flat();
		const end = durations?.expire === undefined ? 0 : Math.round(now + durations.expire * 1000);
		const stale = durations ? now : 0, expired = durations ? Math.min(end, Number.MAX_SAFE_INTEGER) : now;
		for (let at = 0; at < list.length; at += MARKS_AT_ONCE) {
			const marks = list.slice(at, at + MARKS_AT_ONCE).map((tag) => ({ tag: group + tag, stale, expired }));
			need(await ask("POST", "marks", Buffer.from(JSON.stringify({ marks }))), 204);
		}
		for (const tag of list) note(tag, stale, expired);
	}
};
