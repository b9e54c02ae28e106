// SPDX-License-Identifier: Apache-2.0
// node --require /usr/lib/ebb/node/boot.cjs FILE: what makes an unmodified program a fluid function.
// Nothing here is needed by the program, and nothing of npm is needed here.
"use strict";
const { isMainThread } = require("node:worker_threads");

// Workers and forked children inherit --require; requests come to the first process only.
if (isMainThread && !process.env.EBB_BOOTED) {
	process.env.EBB_BOOTED = "1";
	// @vercel/functions' attachDatabasePool keeps an instance awake only where these are set.
	process.env.VERCEL_URL ??= `${process.env.EBB_SERVICE || "function"}.localhost`;
	process.env.VERCEL_REGION ??= "local";
	require("./scope.cjs").install();
	require("./logs.cjs").install();
	require("./errors.cjs").install();
	require("./server.cjs").install();
	require("./stop.cjs").install();
	require("./handler.cjs").install();
}
