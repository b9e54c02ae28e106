// SPDX-License-Identifier: Apache-2.0
// Lines written inside a request begin with 0x1e, the request's id and a space, so that the log knows their request.
// A line that has begun is kept until it ends, so two requests never share a line.
"use strict";
const scopes = require("./scope.cjs");

const PARTIAL_MAX = 16384;
let midline = [false, false]; // of stdout and stderr: the last text written outside a request did not end its line

// Bytes as latin1 text: nothing is lost, and text functions work on them.
function bytesOf(chunk, encoding) {
	if (typeof chunk === "string") return Buffer.from(chunk, encoding).latin1Slice();
	return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).latin1Slice();
}

function tagLines(text, id) {
	const tag = `\x1e${id} `;
	return tag + text.slice(0, -1).replaceAll("\n", "\n" + tag) + "\n";
}

// Returns the whole lines of a request's text, tagged; keeps the text behind the last one.
function wholeLines(scope, which, text) {
	text = (scope.partial[which] ?? "") + text;
	let end = text.lastIndexOf("\n") + 1;
	if (end === 0 && text.length > PARTIAL_MAX) {
		text += "\n";
		end = text.length;
	}
	scope.partial[which] = text.slice(end) || null;
	if (end === 0) return "";
	const begin = midline[which] ? "\n" : "";
	midline[which] = false;
	return begin + tagLines(text.slice(0, end), scope.id);
}

function patch(stream, which) {
	const write = stream.write;

	stream.write = function (chunk, encoding, callback) {
		if (typeof encoding === "function") [encoding, callback] = [undefined, encoding];
		const isText = typeof chunk === "string" || ArrayBuffer.isView(chunk);
		const scope = isText ? scopes.current() : undefined;
		if (!scope?.id) {
			if (isText && chunk.length)
				midline[which] = chunk.at(-1) !== "\n" && chunk.at(-1) !== 10;
			return Reflect.apply(write, this, arguments);
		}
		const text = wholeLines(scope, which, bytesOf(chunk, encoding));
		scope.onEnd ??= () => exports.flush(scope);
		if (scope.partial[which] && !scopes.open.has(scope)) flushSoon(scope);
		if (text) return Reflect.apply(write, this, [text, "latin1", callback]);
		if (callback) process.nextTick(callback);
		return true;
	};
}

// Text written after the end of its request: the end of the request, at which lines are flushed, will not come again.
function flushSoon(scope) {
	scope.flushing ??= setImmediate(() => {
		scope.flushing = null;
		exports.flush(scope);
	});
}

// Ends the lines that a request has begun, because it is over.
exports.flush = (scope) => {
	const streams = [process.stdout, process.stderr];
	scopes.run(scope, () => {
		for (const which of [0, 1]) if (scope.partial[which]) streams[which].write("\n");
	});
};

exports.install = () => {
	if (!process.env.EBB_INSTANCE) return; // nobody reads tags
	patch(process.stdout, 0);
	patch(process.stderr, 1);
};
