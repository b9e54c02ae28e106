// SPDX-License-Identifier: Apache-2.0
// Serves a handler (Request) => Response on Node's HTTP server; both bodies are streamed.
"use strict";
const http = require("node:http");
const { Readable } = require("node:stream");
const errors = require("./errors.cjs");
const scopes = require("./scope.cjs");
const state = require("./state.cjs");

// A head waits this long for the first byte of its body, so that a stream that fails at once becomes a 500 and not a
// cut answer.
const HEAD_WAITS_MS = 20;
const EMPTY = new Set([204, 304]);

function headersOf(req) {
	const headers = new Headers();
	const raw = req.rawHeaders;
	for (let i = 0; i < raw.length; i += 2) headers.append(raw[i], raw[i + 1]);
	return headers;
}

function requestOf(req, scope) {
	const init = { method: req.method, headers: headersOf(req), signal: scope.signal };
	if (req.method !== "GET" && req.method !== "HEAD") {
		init.body = Readable.toWeb(req);
		init.duplex = "half";
	}
	return new Request(scope.url, init);
}

function drained(res) {
	return new Promise((resolve) => {
		const done = () => {
			res.off("drain", done);
			res.off("close", done);
			resolve();
		};
		res.on("drain", done);
		res.on("close", done);
	});
}

// Resolves when the promise does, or after ms if that comes first.
function within(ms, promise) {
	let timer;
	const late = new Promise((resolve) => {
		timer = setTimeout(resolve, ms);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function sendBody(res, body, sendHead) {
	const reader = body.getReader(); // throws if somebody else reads it
	res.once("close", () => reader.cancel().catch(() => {}));
	let next = reader.read();
	await within(HEAD_WAITS_MS, next);
	if (res.destroyed || res.writableEnded) return;
	sendHead();
	const flush = setImmediate(() => res.flushHeaders()); // with the first bytes, if they are there
	for (;;) {
		const { done, value } = await next;
		clearImmediate(flush);
		if (done || res.destroyed) break;
		if (!res.write(value)) await drained(res);
		next = reader.read();
	}
}

// A Response that fetch brought has a decoded body, but still the header fields of the coded body.
const CODINGS = /^\s*(x-)?(gzip|deflate|br)\s*$/i;

function isDecoded(response) {
	const coding = response.headers.get("content-encoding");
	return Boolean(response.url && response.body && coding?.split(",").every((one) => CODINGS.test(one)));
}

function headOf(response) {
	const headers = Object.create(null); // a field may have any name
	for (const [name, value] of response.headers) if (name !== "set-cookie") headers[name] = value;
	const cookies = response.headers.getSetCookie();
	if (cookies.length) headers["set-cookie"] = cookies;
	if (isDecoded(response)) {
		delete headers["content-encoding"];
		delete headers["content-length"];
	}
	return headers;
}

// instanceof would not do: frameworks and npm's undici bring Response classes of their own.
function isResponse(found) {
	return typeof found?.status === "number" && typeof found.headers?.getSetCookie === "function";
}

async function send(req, res, response) {
	if (res.destroyed || res.writableEnded) return;
	if (!isResponse(response)) {
		const what = response === null ? "null" : typeof response;
		throw new TypeError(`the handler of ${req.method} ${req.url} returned ${what}, not a Response`);
	}
	const headers = headOf(response);
	const sendHead = () => {
		res.strictContentLength = true; // else Node would drop bytes beyond content-length silently
		if (response.statusText) res.writeHead(response.status, response.statusText, headers);
		else res.writeHead(response.status, headers);
	};
	if (response.body && req.method !== "HEAD") {
		await sendBody(res, response.body, sendHead);
	} else {
		response.body?.cancel().catch(() => {});
		if (req.method !== "HEAD" && !EMPTY.has(response.status)) headers["content-length"] ??= "0";
		sendHead();
	}
	res.end();
}

// The Response of a handler that gets the request without its body.
async function ask(handle, req) {
	const scope = scopes.current();
	const bare = new Request(scope.url, { method: req.method, headers: headersOf(req), signal: scope.signal });
	const response = await handle(bare, scope.describe());
	if (!isResponse(response)) throw new TypeError("a middleware returned no Response");
	return { response, url: scope.url };
}

async function answer(handle, req, res) {
	const scope = scopes.current();
	try {
		await send(req, res, await handle(requestOf(req, scope), scope.describe()));
	} catch (error) {
		// An error that a handler throws because its client has gone is no failure of the handler.
		if (!(scope.over && scope.signal.aborted)) errors.fail(scope, error, "error");
	}
}

// Answers an Upgrade if the handler does not take the connection over.
async function answerUpgrade(handle, req, socket) {
	const scope = scopes.current();
	try {
		const response = await handle(requestOf(req, scope), scope.describe());
		if (scope.taken || socket.destroyed) return;
		const status = `${response.status} ${http.STATUS_CODES[response.status] ?? ""}`;
		socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
	} catch (error) {
		errors.fail(scope, error, "error");
	}
}

exports.answer = answer;
exports.ask = ask;
exports.send = send;

exports.serve = (handle, port) => {
	state.answerWarm = (req, res) => answer(() => new Response("warm\n"), req, res);
	const server = http.createServer((req, res) => answer(handle, req, res));
	server.on("upgrade", (req, socket) => {
		const scope = scopes.current();
		const take = scope.upgrade;
		scope.upgrade = () => {
			scope.taken = true;
			return take();
		};
		return answerUpgrade(handle, req, socket);
	});
	server.listen(port);
};
