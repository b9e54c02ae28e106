// SPDX-License-Identifier: Apache-2.0
// On SIGTERM: takes no new requests, finishes open ones, exits with 0. A program with a SIGTERM listener of its own
// stops itself: its listener runs first, and its calls on its server work as without this runtime.
"use strict";
const http = require("node:http");
const net = require("node:net");
const pressure = require("./pressure.cjs");
const scopes = require("./scope.cjs");
const state = require("./state.cjs");

const kClosed = Symbol("ebb.closed"); // this runtime has closed the server, and the program does not know
let exitCode = 0;

function closeIdle(server) {
	if (server instanceof http.Server) server.closeIdleConnections();
}

function onIdle() {
	if (scopes.open.size > 0) return;
	pressure.idle();
	if (state.stopping) for (const server of state.servers) closeIdle(server);
	// A program that handles SIGTERM itself may have other work left, and exits by itself.
	if (state.stopping && (exitCode || process.listenerCount("SIGTERM") <= 1))
		setImmediate(() => {
			state.ending = true;
			process.exit(exitCode);
		});
}

function closeOurselves(server) {
	if (!server.listening) return;
	server.close();
	server[kClosed] = true;
}

// A close() of the program after this runtime's close must look like the first one, without ERR_SERVER_NOT_RUNNING.
function patchClose() {
	const close = net.Server.prototype.close;
	net.Server.prototype.close = function (callback) {
		if (!this[kClosed]) return Reflect.apply(close, this, arguments);
		this[kClosed] = false;
		if (typeof callback !== "function") return this;
		if (state.servers.has(this)) this.once("close", callback);
		else process.nextTick(callback);
		return this;
	};
}

function stop(code) {
	state.stopping = true;
	exitCode = code;
	for (const { res } of scopes.open) if (res && !res.headersSent) res.shouldKeepAlive = false;
	// Runs after the program's own listeners of SIGTERM.
	setImmediate(() => {
		for (const server of [...state.servers]) closeOurselves(server);
		onIdle();
	});
}

exports.install = () => {
	state.stop = stop;
	scopes.onIdle = onIdle;
	patchClose();
	process.on("SIGTERM", () => stop(0));
};
