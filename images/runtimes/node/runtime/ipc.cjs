// SPDX-License-Identifier: Apache-2.0
// Messages to ebb-ipc: JSON ended by a NUL, on the unix socket that EBB_IPC_PATH names. A lost connection is made
// again, and messages that still hold true (started, holds, retire) are sent again on the new one.
"use strict";
const net = require("node:net");

const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 5000;
const ENDS_KEPT_MAX = 1000; // ends to be told after a reconnection; a hold ends by its deadline anyway

const path = process.env.EBB_IPC_PATH || process.env.VERCEL_IPC_PATH;
const lasting = new Map(); // key -> message
let ends = []; // ends that came while there was no connection
let socket = null;
let connected = false;
let retryMs = RETRY_MIN_MS;

function write(message) {
	socket.write(JSON.stringify(message) + "\0");
}

function connect() {
	socket = net.connect({ path });
	socket.unref(); // a program that is done may end
	socket.on("connect", () => {
		connected = true;
		retryMs = RETRY_MIN_MS;
		for (const message of [...lasting.values(), ...ends]) write(message);
		ends = [];
	});
	socket.on("error", () => {});
	socket.on("close", () => {
		connected = false;
		setTimeout(connect, retryMs).unref();
		retryMs = Math.min(2 * retryMs, RETRY_MAX_MS);
	});
	socket.resume(); // nothing is expected; the end is
}

function say(message) {
	if (connected) write(message);
}

function keep(key, message) {
	lasting.set(key, message);
	say(message);
}

exports.available = Boolean(path);

exports.started = (httpPort) => {
	const initDuration = Math.round(performance.now());
	keep("started", { type: "server-started", payload: { initDuration, httpPort } });
};

exports.hold = (invocationId, deadline) => {
	keep(invocationId, { type: "hold", payload: { context: { invocationId }, deadline } });
};

exports.end = (invocationId, error) => {
	const message = { type: "end", payload: { context: { invocationId }, error } };
	lasting.delete(invocationId);
	if (connected) write(message);
	else if (ends.length < ENDS_KEPT_MAX) ends.push(message);
};

exports.retire = (reason) => {
	keep("retire", { type: "retire", payload: { reason } });
};

exports.metric = (name, value, tags) => {
	say({ type: "metric", payload: { name, value, tags } });
};

if (path) connect();
