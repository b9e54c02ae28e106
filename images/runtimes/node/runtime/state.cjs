// SPDX-License-Identifier: Apache-2.0
// The state of the process that the parts of the runtime share.
"use strict";
module.exports = {
	serving: false, // a server listens on $PORT
	retiring: false, // finishes open requests, takes no new ones
	stopping: false, // SIGTERM came
	ending: false, // the runtime itself ends the process
	servers: new Set(), // the servers on $PORT
	answerWarm: null, // function (req, res) that answers the warm-up request like any other; null: warm.cjs does
	stop: null, // function of an exit code, set by stop.cjs
};
