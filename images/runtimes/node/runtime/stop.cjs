// SPDX-License-Identifier: Apache-2.0
// SIGTERM: nothing new, finish what is open, exit 0.
"use strict";
const pressure = require("./pressure.cjs");
const scopes = require("./scope.cjs");
const state = require("./state.cjs");

let exitCode = 0;

function onIdle() {
	if (scopes.open.size > 0) return;
	pressure.idle();
	// A program that handles SIGTERM itself has its own last things to do, and ends itself.
	if (state.stopping && (exitCode || process.listenerCount("SIGTERM") <= 1))
		setImmediate(() => {
			state.ending = true;
			process.exit(exitCode);
		});
}

function stop(code) {
	state.stopping = true;
	exitCode = code;
	for (const server of [...state.servers]) {
		server.close();
		server.closeIdleConnections?.();
	}
	for (const { res } of scopes.open) if (res && !res.headersSent) res.shouldKeepAlive = false;
	onIdle();
}

exports.install = () => {
	state.stop = stop;
	scopes.onIdle = onIdle;
	process.on("SIGTERM", () => stop(0));
};
