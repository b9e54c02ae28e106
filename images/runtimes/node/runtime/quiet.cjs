// SPDX-License-Identifier: Apache-2.0
// Leaves no timer behind that the program did not set. Node keeps the timer of its event loop armed when the timers
// behind it are cleared, and the instance would be thawed for nothing when it is due. Any timer that fires sets that
// right, so one fires a moment after the last request.
"use strict";

const PERIOD_MS = 5; // far below the time after which an idle instance is frozen

let timer = null;
let again = false;

function over() {
	timer = null;
	if (again) begin();
	else exports.whenQuiet?.();
}

function begin() {
	again = false;
	timer = setTimeout(over, PERIOD_MS);
	timer.unref();
}

// Node forgets an unref'd timer that was cleared only when it would have been due.
exports.clear = (old) => {
	old.ref();
	clearInterval(old);
};

// Called when no request is open any more. A busy instance has a timer each 5 ms by it, and not one for each request.
exports.soon = () => {
	if (timer) again = true;
	else begin();
};
