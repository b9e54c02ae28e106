// SPDX-License-Identifier: Apache-2.0
// An error belongs to the request it was thrown for: that one gets 500, the others never notice. One that
// belongs to no request, or says that the process cannot be trusted any more, retires the instance.
"use strict";
const ipc = require("./ipc.cjs");
const scopes = require("./scope.cjs");
const state = require("./state.cjs");

// The process as a whole is in trouble, whoever noticed it.
const SUSPECT_CODES = new Set([
	"EMFILE",
	"ENFILE",
	"ENOMEM",
	"ERR_INTERNAL_ASSERTION",
	"ERR_MEMORY_ALLOCATION_FAILED",
	"ERR_WORKER_OUT_OF_MEMORY",
]);
// What a handler meets that goes on writing after its request has failed.
const ECHO_CODES = new Set([
	"ERR_HTTP_HEADERS_SENT",
	"ERR_STREAM_WRITE_AFTER_END",
	"ERR_STREAM_DESTROYED",
	"ERR_INVALID_STATE",
]);

function isSuspect(error) {
	return SUSPECT_CODES.has(error?.code) ||
		(error instanceof RangeError && /allocation failed/i.test(error.message));
}

function retire(reason) {
	if (state.retiring) return;
	state.retiring = true;
	console.error(`ebb: ${reason}: this instance takes no new requests`);
	ipc.retire(reason);
	if (!ipc.available) state.stop?.(1); // nobody to tell: finish what is open and go
}

function answer500(res) {
	if (res.headersSent) return res.destroy(); // cut off, so that nobody takes it for the whole
	for (const name of res.getHeaderNames()) res.removeHeader(name);
	res.writeHead(500, { "content-type": "text/plain", "content-length": 22 });
	res.end("Internal Server Error\n");
}

function fail(scope, error, how) {
	if (scope.failed && ECHO_CODES.has(error?.code)) return;
	scopes.run(scope, () => {
		console.error(`ebb: ${how} in request ${scope.id}:`, error);
		if (!scope.over && !scope.failed) {
			scope.failed = true;
			scope.abort(error);
			if (scope.res) answer500(scope.res);
			else scope.req.socket.destroy();
		}
	});
	if (isSuspect(error)) retire(`${error.code || error.message} leaves the process in doubt`);
}

exports.fail = fail;

function onUncaught(error, origin, others) {
	const scope = scopes.current();
	if (scope) {
		fail(scope, error, origin === "unhandledRejection" ? "rejection" : "error");
		return true;
	}
	if (!state.serving) return others(); // at start: as without us, it ends the process
	if (!others()) console.error(`ebb: ${origin} outside any request:`, error);
	// A task of nobody has stopped midway.
	exports.retire("an error outside any request");
	return true;
}

function onRejection(error, others) {
	const scope = scopes.current();
	if (!scope) return others(); // without a listener Node makes it an uncaughtException
	fail(scope, error, "rejection");
	return true;
}

exports.retire = retire;

function logEnd(name) {
	const call = process[name];
	process[name] = function (...rest) {
		const scope = scopes.current();
		if (scope?.id) {
			const code = name === "exit" ? rest[0] ?? process.exitCode ?? 0 : "";
			console.error(`ebb: process.${name}(${code}) called by request ${scope.id}`);
		}
		return Reflect.apply(call, process, rest);
	};
}

exports.install = () => {
	scopes.onError = (scope, error) => fail(scope, error, "error");
	const emit = process.emit;
	process.emit = function (name, error, more) {
		const others = () => Reflect.apply(emit, this, arguments);
		if (name === "uncaughtException") return onUncaught(error, more, others);
		if (name === "unhandledRejection") return onRejection(error, others);
		return others();
	};
	logEnd("exit");
	logEnd("abort");
};
