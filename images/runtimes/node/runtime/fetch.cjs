// SPDX-License-Identifier: Apache-2.0
// (Request) => Response on Node's HTTP server, both bodies streamed.
"use strict";
const http = require("node:http");
const { Readable } = require("node:stream");
const errors = require("./errors.cjs");
const scopes = require("./scope.cjs");
const state = require("./state.cjs");

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

async function sendBody(res, body) {
	const reader = body.getReader();
	res.once("close", () => reader.cancel().catch(() => {}));
	for (;;) {
		const { done, value } = await reader.read();
		if (done || res.destroyed) break;
		if (!res.write(value)) await drained(res);
	}
}

function headOf(response) {
	const headers = {};
	for (const [name, value] of response.headers) if (name !== "set-cookie") headers[name] = value;
	const cookies = response.headers.getSetCookie();
	if (cookies.length) headers["set-cookie"] = cookies;
	return headers;
}

async function send(req, res, response) {
	if (res.destroyed || res.writableEnded) return;
	if (!(response instanceof Response))
		throw new TypeError("the handler returned no Response");
	const headers = headOf(response);
	if (response.statusText) res.writeHead(response.status, response.statusText, headers);
	else res.writeHead(response.status, headers);
	if (response.body && req.method !== "HEAD") {
		res.flushHeaders();
		await sendBody(res, response.body);
	}
	res.end();
}

async function answer(handle, req, res) {
	const scope = scopes.current();
	try {
		await send(req, res, await handle(requestOf(req, scope), scope.describe()));
	} catch (error) {
		// What a handler throws because its client has gone is no fault of it.
		if (!(scope.over && scope.signal.aborted)) errors.fail(scope, error, "error");
	}
}

// The answer to an Upgrade that the handler did not take over.
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
