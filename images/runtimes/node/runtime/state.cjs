// SPDX-License-Identifier: Apache-2.0
// What the parts of the runtime know of the process in common.
"use strict";
module.exports = {
	serving: false, // somebody listens on $PORT
	retiring: false, // finishes what is open, takes nothing new
	stopping: false, // SIGTERM came
	ending: false, // the runtime itself ends the process
	servers: new Set(), // those on $PORT
	answerWarm: null, // (req, res) that does what is done for every request, if there is more than Node's
	stop: null, // function of an exit code, set by stop.cjs
};
