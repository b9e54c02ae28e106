// SPDX-License-Identifier: Apache-2.0
// Whether this process should take one more request. Measured only while requests are open: a timer of an
// idle instance would wake it from its freeze.
"use strict";
const v8 = require("node:v8");
const scopes = require("./scope.cjs");

const PERIOD_MS = 250;
const LAG_MAX_MS = Number(process.env.NACK_LAG_MS) || 5000;
const HEAP_MAX = 0.95; // of the heap's limit; past it V8 does little but collect

let timer = null;
let due = 0;
let reason = null;

function heapIsFull() {
	const heap = v8.getHeapStatistics();
	return heap.used_heap_size > HEAP_MAX * heap.heap_size_limit;
}

function measure() {
	const lag = performance.now() - due;
	due = performance.now() + PERIOD_MS;
	reason = lag > LAG_MAX_MS ? `event loop ${Math.round(lag)} ms late` : heapIsFull() ? "heap full" : null;
	if (scopes.open.size > 0) return;
	clearInterval(timer);
	timer = null;
	reason = null;
}

// Called with each request: null, or why it should go elsewhere.
exports.reason = () => {
	if (!timer) {
		due = performance.now() + PERIOD_MS;
		timer = setInterval(measure, PERIOD_MS);
		timer.unref();
	}
	return reason;
};

exports.idle = () => {
	clearInterval(timer);
	timer = null;
	reason = null;
};
