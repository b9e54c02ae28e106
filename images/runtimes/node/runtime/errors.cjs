// SPDX-License-Identifier: Apache-2.0
// An error belongs to the request it was thrown for: that request gets 500, other requests are not affected. An error
// that belongs to no request, or shows that the process cannot be trusted any more, retires the instance.
"use strict";
const http = require("node:http");
const { format } = require("node:util");
const ipc = require("./ipc.cjs");
const logs = require("./logs.cjs");
const scopes = require("./scope.cjs");
const state = require("./state.cjs");

// Errors with these codes concern the whole process, in whichever request they were thrown.
const SUSPECT_CODES = new Set([
	"EMFILE",
	"ENFILE",
	"ENOMEM",
	"ERR_INTERNAL_ASSERTION",
	"ERR_MEMORY_ALLOCATION_FAILED",
	"ERR_WORKER_OUT_OF_MEMORY",
]);
// Errors that a handler gets when it goes on writing after its request has failed; they are not logged.
const ECHO_CODES = new Set([
	"ERR_HTTP_HEADERS_SENT",
	"ERR_STREAM_WRITE_AFTER_END",
	"ERR_STREAM_DESTROYED",
	"ERR_INVALID_STATE",
]);

// Anything can be thrown, and an error's own getters and inspection can throw again.
function partOf(error, name) {
	try {
		return error?.[name];
	} catch {
		return undefined;
	}
}

function tell(what, error) {
	let text;
	try {
		text = format(what, error);
	} catch (thrown) {
		text = `${what} of a kind that cannot be shown (${partOf(thrown, "message")})`;
	}
	process.stderr.write(text + "\n");
}

function isSuspect(error) {
	return SUSPECT_CODES.has(partOf(error, "code")) ||
		/^(array buffer )?allocation failed/i.test(String(partOf(error, "message")));
}

function retire(reason) {
	if (state.retiring) return;
	state.retiring = true;
	console.error(`ebb: ${reason}: this instance takes no new requests`);
	ipc.retire(reason);
	if (!ipc.available) state.stop?.(1); // without ebb-ipc: finish open requests and exit
}

function retireIfSuspect(error) {
	if (isSuspect(error))
		retire(`${partOf(error, "code") || partOf(error, "message")} leaves the process in doubt`);
}

// Node's own functions: middleware replaces writeHead and end, and may be the code that throws.
const { writeHead, end } = http.ServerResponse.prototype;

// Takes a head back that was written and not sent. False if it was sent.
function takeBack(res) {
	if (res._headerSent) return false;
	res._header = null;
	res._hasBody = res.req.method !== "HEAD";
	res.chunkedEncoding = res.strictContentLength = false;
	for (const name of res.getHeaderNames()) res.removeHeader(name);
	return true;
}

// Sends the bytes that were written, without an end, so that no client takes them for the whole answer.
function cutOff(res) {
	if (res.socket) res.socket.destroySoon();
	else res.destroy();
}

function answer500(res) {
	if (res.writableEnded) return; // whole already
	try {
		if (!takeBack(res)) return cutOff(res);
		const headers = { "content-type": "text/plain", "content-length": 22 };
		writeHead.call(res, 500, "Internal Server Error", headers);
		end.call(res, "Internal Server Error\n");
	} catch {
		res.destroy();
	}
}

function fail(scope, error, how) {
	if (scope.failed && ECHO_CODES.has(partOf(error, "code"))) return;
	scopes.run(scope, () => {
		tell(`ebb: ${how} in request ${scope.id}:`, error);
		if (!scope.over && !scope.failed) {
			scope.failed = true;
			scope.abort(error);
			if (scope.res) answer500(scope.res);
			else scope.req.socket.destroy();
		}
	});
	retireIfSuspect(error);
}

exports.fail = fail;

function onUncaught(error, origin, others) {
	const scope = scopes.current();
	if (scope) {
		fail(scope, error, origin === "unhandledRejection" ? "rejection" : "error");
		return true;
	}
	if (!state.serving) return others(); // at the start an error ends the process, as without this runtime
	if (!others()) tell(`ebb: ${origin} outside any request:`, error);
	// A task that belongs to no request has stopped midway, so the state of the process is unknown.
	exports.retire("an error outside any request");
	return true;
}

// Whether the program itself decides about unhandled rejections: by a listener, or by Node's own option.
function handlesRejections() {
	const options = `${process.env.NODE_OPTIONS ?? ""} ${process.execArgv.join(" ")}`;
	return process.listenerCount("unhandledRejection") > 0 ||
		/--unhandled-rejections[ =](none|warn)\b/.test(options);
}

function onRejection(error, others) {
	const scope = scopes.current();
	retireIfSuspect(error);
	// Without a scope and without a listener Node turns the rejection into an uncaughtException.
	if (!scope || handlesRejections()) return others();
	fail(scope, error, "rejection");
	return true;
}

exports.retire = retire;

function logEnd(name) {
	const call = process[name];
	process[name] = function (...rest) {
		const scope = scopes.current();
		if (scope?.id && !state.ending) {
			const code = name === "exit" ? rest[0] ?? process.exitCode ?? 0 : "";
			console.error(`ebb: process.${name}(${code}) called by request ${scope.id}`);
		}
		for (const one of scopes.open) logs.flush(one); // begun lines are last words
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
