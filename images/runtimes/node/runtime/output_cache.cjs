// SPDX-License-Identifier: Apache-2.0
// Answers of functions that a build output says to keep (prerender-config.json). They lie in the instance's own files:
// another instance makes them for itself, and they are gone with this one. An answer that is too old is sent once more
// while a new one is made behind it; many requests for one answer make it once.
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const { duplexPair } = require("node:stream");
const scopes = require("./scope.cjs");

const PLACE = "/tmp/ebb-output";
const ENTRIES_MAX = 4096;
const BODY_MAX = 16 << 20;
const HOP_BY_HOP = new Set(["connection", "keep-alive", "transfer-encoding", "date"]);

class Cache {
	constructor(root, call) {
		this.root = root;
		this.began = Date.now();
		this.entries = new Map(); // the oldest first
		this.making = new Map();
		this.server = http.createServer((req, res) => {
			const found = this.asked.get(req.headers["x-ebb-output"]);
			delete req.headers["x-ebb-output"];
			Promise.resolve(call(found, req, res)).catch((error) => {
				console.error(error);
				res.headersSent ? res.destroy() : res.writeHead(500).end();
			});
		});
		this.asked = new Map();
	}

	keyOf(found, request) {
		const allowed = found.prerender.allowQuery;
		const query = [...request.query].filter(([key]) => !allowed || allowed.includes(key)).sort();
		return `${found.folder} ${request.matched} ${request.target.split("?", 1)[0]} ${JSON.stringify(query)}`;
	}

	fallback(found) {
		const { fallback, headers, status, expiration } = found.prerender;
		if (!fallback) return null;
		return { file: `${this.root}/fallbacks/${fallback}`, headers, status, until: this.until(expiration, this.began) };
	}

	until(expiration, from) {
		return expiration === false ? Infinity : from + expiration * 1000;
	}

	async serve(found, request, req, res, headers) {
		const { token } = found.prerender;
		const bypass = token && (request.cookies.__prerender_bypass === token || req.headers["x-prerender-revalidate"] === token);
		const key = this.keyOf(found, request);
		const entry = bypass ? null : this.entries.get(key) ?? this.fallback(found);
		if (!entry) return this.send(await this.make(key, found, request, req), req, res, headers, bypass ? "BYPASS" : "MISS");
		const old = entry.until <= Date.now();
		if (old) {
			const made = this.make(key, found, request, req).catch((error) => console.error(error));
			scopes.current()?.waitUntil(made);
		}
		return this.send(entry, req, res, headers, old ? "STALE" : this.entries.has(key) ? "HIT" : "PRERENDER");
	}

	make(key, found, request, req) {
		let making = this.making.get(key);
		if (!making) {
			making = this.ask(found, request, req).then((answer) => this.keep(key, found, answer))
				.finally(() => this.making.delete(key));
			this.making.set(key, making);
		}
		return making;
	}

	// Asks the function in this process, as a request of its own.
	ask(found, request, req) {
		const ident = crypto.randomUUID();
		const [near, far] = duplexPair();
		const headers = { host: req.headers.host ?? "localhost", "x-ebb-output": ident, "x-matched-path": request.matched };
		for (const name of ["x-forwarded-host", "x-forwarded-proto", "x-forwarded-for", "x-prerender-revalidate"])
			if (req.headers[name]) headers[name] = req.headers[name];
		this.asked.set(ident, found);
		this.server.emit("connection", far);
		return new Promise((resolve, reject) => {
			const asking = http.request({ createConnection: () => near, path: request.target, headers });
			asking.on("response", (answer) => collect(answer).then((body) => resolve({ answer, body }), reject));
			asking.on("error", reject);
			asking.end();
		}).finally(() => {
			this.asked.delete(ident);
			near.destroy();
			far.destroy();
		});
	}

	keep(key, found, { answer, body }) {
		const headers = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.has(name)));
		const entry = { body, headers, status: answer.statusCode, until: this.until(found.prerender.expiration, Date.now()) };
		if (entry.status >= 500) return entry; // an error is not kept, the old answer stays
		fs.mkdirSync(PLACE, { recursive: true });
		const file = `${PLACE}/${crypto.createHash("sha256").update(key).digest("hex")}`;
		try {
			fs.writeFileSync(file, body);
		} catch {
			return entry; // no room
		}
		this.entries.delete(key);
		this.entries.set(key, { ...entry, body: undefined, file });
		while (this.entries.size > ENTRIES_MAX) {
			const [oldest, { file: gone }] = this.entries.entries().next().value;
			this.entries.delete(oldest);
			fs.rmSync(gone, { force: true });
		}
		return entry;
	}

	send(entry, req, res, headers, state) {
		const body = entry.body ?? fs.readFileSync(entry.file);
		res.writeHead(entry.status, { "content-type": "text/html; charset=utf-8", ...entry.headers, ...headers,
			"x-vercel-cache": state, "content-length": body.length });
		res.end(req.method === "HEAD" ? undefined : body);
	}
}

async function collect(answer) {
	const parts = [];
	let size = 0;
	for await (const part of answer) {
		size += part.length;
		if (size > BODY_MAX) throw new Error(`an answer to be kept has more than ${BODY_MAX} bytes`);
		parts.push(part);
	}
	return Buffer.concat(parts);
}

exports.Cache = Cache;
