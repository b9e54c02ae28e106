// SPDX-License-Identifier: Apache-2.0
// Whether this process should take one more request. It is measured only while requests are open, because a timer in
// an idle instance would wake it from its freeze.
"use strict";
const v8 = require("node:v8");
const quiet = require("./quiet.cjs");
const scopes = require("./scope.cjs");

const PERIOD_MS = 250;
const LAG_MAX_MS = Number(process.env.NACK_LAG_MS) || 5000;
const HEAP_MAX = 0.9; // of the limit of old objects; about 4/5 of the limit is live then, the rest not collected yet
// V8's limit includes three semi-spaces for young objects; the limit of old objects is the rest.
const YOUNG_BYTES = 3 * 16 * 2 ** 20;
const NOT_OLD = /^(new_|read_only_)/;
const oldLimit = v8.getHeapStatistics().heap_size_limit - YOUNG_BYTES;

let timer = null;
let look = null; // an Immediate: who is still open then needs the timer
let due = 0;
let reason = null;

// Counts pages and not objects, because the heap is full when there is no room for a further page.
function heapIsFull() {
	let bytes = 0;
	for (const space of v8.getHeapSpaceStatistics())
		if (!NOT_OLD.test(space.space_name)) bytes += space.space_size;
	return bytes > HEAP_MAX * oldLimit;
}

function measure() {
	const lag = performance.now() - due;
	due = performance.now() + PERIOD_MS;
	reason = lag > LAG_MAX_MS ? `event loop ${Math.round(lag)} ms late` : heapIsFull() ? "heap full" : null;
	if (scopes.open.size > 0) return;
	quiet.clear(timer);
	timer = null;
	reason = null;
}

function begin() {
	look = null;
	if (scopes.open.size === 0) return;
	timer = setInterval(measure, PERIOD_MS);
	timer.unref();
	measure();
}

// Called with each request. Returns null, or the reason why the request should go to another instance.
exports.reason = () => {
	if (!timer && !look) {
		due = performance.now();
		look = setImmediate(begin);
	}
	return reason;
};

exports.idle = () => {
	if (!timer) return;
	quiet.clear(timer);
	timer = null;
	reason = null;
};

quiet.whenQuiet = () => {
	if (scopes.open.size === 0) exports.idle();
};
