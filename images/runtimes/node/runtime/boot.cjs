// SPDX-License-Identifier: Apache-2.0
// node --require /usr/lib/ebb/node/boot.cjs FILE: what makes an unmodified program a fluid function.
// Nothing here is needed by the program, and nothing of npm is needed here.
"use strict";
const { enableCompileCache } = require("node:module");
const v8 = require("node:v8");
const { isMainThread } = require("node:worker_threads");

const CODE = "/usr/lib/ebb/code"; // baked; compiled when there is no such directory

// The heap has its limit since the start. V8 takes no code that was compiled under other options, and the
// limit, which differs from service to service, is one: as far as code is concerned there is none.
function useBakedCode() {
	v8.setFlagsFromString("--max-old-space-size=0");
	enableCompileCache(CODE);
}

useBakedCode();

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
