// SPDX-License-Identifier: Apache-2.0
// Functions of a build output: each is loaded at its first request, and then serves in this process beside the others.
"use strict";
const { AsyncLocalStorage } = require("node:async_hooks");
const http = require("node:http");
const { createRequire } = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const fetching = require("./fetch.cjs");
const { classify } = require("./handler.cjs");

const BODY_MAX = 32 << 20; // of a body that a helper reads as a whole

function cookiesOf(header) {
	const found = Object.create(null);
	for (const part of (header ?? "").split(";")) {
		const at = part.indexOf("=");
		if (at < 0) continue;
		const text = part.slice(at + 1).trim().replace(/^"(.*)"$/, "$1");
		try {
			found[part.slice(0, at).trim()] ??= decodeURIComponent(text);
		} catch {
			found[part.slice(0, at).trim()] ??= text;
		}
	}
	return found;
}

function queryOf(url) {
	const found = Object.create(null);
	for (const [key, value] of new URL(url, "http://localhost").searchParams)
		found[key] = key in found ? [].concat(found[key], value) : value;
	return found;
}

class ApiError extends Error {
	constructor(statusCode, message) {
		super(message);
		this.statusCode = statusCode;
	}
}

const PARSERS = {
	"application/json": (body) => {
		try {
			return body.length ? JSON.parse(body.toString()) : {};
		} catch {
			throw new ApiError(400, "Invalid JSON");
		}
	},
	"application/octet-stream": (body) => body,
	"application/x-www-form-urlencoded": (body) => queryOf("/?" + body.toString()),
	"text/plain": (body) => body.toString(),
};

function lazily(object, name, get) {
	Object.defineProperty(object, name, {
		configurable: true, enumerable: true,
		get() {
			const value = get();
			Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: true });
			return value;
		},
		set(value) {
			Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: true });
		},
	});
}

async function readBody(req) {
	const parts = [];
	let size = 0;
	for await (const part of req) {
		size += part.length;
		if (size > BODY_MAX) throw new ApiError(413, "Body is too large");
		parts.push(part);
	}
	return Buffer.concat(parts);
}

// The body is read for req.body, and is still there for programs that read the request themselves.
async function addHelpers(req, res) {
	const type = (req.headers["content-type"] ?? "").split(";", 1)[0].trim().toLowerCase();
	if (req.headers["content-length"] !== undefined || req.headers["transfer-encoding"] !== undefined) {
		const body = await readBody(req);
		const again = require("node:stream").Readable.from(body.length ? [body] : [], { objectMode: false });
		for (const name of ["on", "once", "read", "pipe", "unpipe", "resume", "pause", "setEncoding", "removeListener", "off"])
			req[name] = again[name].bind(again);
		req[Symbol.asyncIterator] = () => again[Symbol.asyncIterator]();
		lazily(req, "body", () => PARSERS[type]?.(body));
	} else {
		req.body = undefined;
	}
	lazily(req, "cookies", () => cookiesOf(req.headers.cookie));
	lazily(req, "query", () => queryOf(req.url));
	res.status = (code) => {
		res.statusCode = code;
		return res;
	};
	res.redirect = (code, to) => {
		if (typeof code === "string") [code, to] = [307, code];
		res.writeHead(code, { location: to }).end(`Redirecting to ${to}`);
		return res;
	};
	res.json = (value) => {
		if (!res.getHeader("content-type")) res.setHeader("content-type", "application/json; charset=utf-8");
		return res.send(JSON.stringify(value));
	};
	res.send = (value) => {
		if (value !== null && typeof value === "object" && !Buffer.isBuffer(value) && !(value instanceof Uint8Array))
			return res.json(value);
		const body = value === undefined || value === null ? Buffer.alloc(0) :
			typeof value === "string" || typeof value !== "object" ? Buffer.from(String(value)) : Buffer.from(value);
		if (!res.getHeader("content-type"))
			res.setHeader("content-type", typeof value === "string" ? "text/html; charset=utf-8" : "application/octet-stream");
		res.setHeader("content-length", body.length);
		res.end(req.method === "HEAD" ? undefined : body);
		return res;
	};
}

function listenerOf(found, namespace) {
	const kind = classify(namespace);
	const value = namespace.default?.default ?? namespace.default;
	if (typeof value === "function" && !found.web && !(kind?.fetch && typeof value.fetch === "function")) return { node: value };
	if (found.web && typeof value === "function" && !value.fetch) return { fetch: value };
	if (kind?.listen instanceof http.Server) return { node: (req, res) => kind.listen.emit("request", req, res) };
	return kind;
}

// Names that functions for the edge find there, and Node does not have.
function lookLikeTheEdge() {
	globalThis.self ??= globalThis;
	globalThis.AsyncLocalStorage ??= AsyncLocalStorage;
	globalThis.require ??= createRequire(__filename); // of Node's own modules: buffer, async_hooks
}

class Functions {
	constructor(root) {
		this.root = root;
		this.loaded = new Map();
	}

	async load(found) {
		if (found.edge) lookLikeTheEdge();
		const namespace = await import(pathToFileURL(path.join(this.root, "functions", found.folder, found.handler)));
		const kind = listenerOf(found, namespace);
		if (!kind || kind.listen) throw new Error(`${found.name}: ${found.handler} exports no handler`);
		return kind;
	}

	async kindOf(found) {
		let kind = this.loaded.get(found.folder);
		if (!kind) this.loaded.set(found.folder, (kind = this.load(found)));
		try {
			return await kind;
		} catch (error) {
			this.loaded.delete(found.folder);
			throw error;
		}
	}

	// The answer of a middleware, which gets no body: that is for the function behind it.
	async ask(found, req) {
		const kind = await this.kindOf(found);
		if (!kind.fetch) throw new Error(`${found.name}: a middleware exports a function of a Request`);
		return fetching.ask(kind.fetch, req);
	}

	async call(found, req, res) {
		const kind = await this.kindOf(found);
		if (kind.fetch) return fetching.answer(kind.fetch, req, res);
		try {
			if (found.helpers) await addHelpers(req, res);
			await kind.node(req, res);
		} catch (error) {
			if (!(error instanceof ApiError) || res.headersSent) throw error;
			res.writeHead(error.statusCode, { "content-type": "text/plain; charset=utf-8" }).end(error.message);
		}
	}
}

exports.Functions = Functions;
exports.cookiesOf = cookiesOf;
