// SPDX-License-Identifier: Apache-2.0
// node --require /usr/lib/ebb/node/boot.cjs FILE: what makes an unmodified program a fluid function.
// Nothing here is needed by the program, and nothing of npm is needed here.
"use strict";

const CODE = "/usr/lib/ebb/code"; // baked; compiled when there is no such directory

// node:v8 without all that it loads; programs should not use it, hence the warning.
function bindingOfV8() {
	const silent = process.noDeprecation;
	process.noDeprecation = true;
	try {
		return process.binding("v8");
	} catch {
		return require("node:v8");
	} finally {
		process.noDeprecation = silent;
	}
}

// The heap has its limits since the start: the service's for old objects, and for young ones what V8 gives them on
// large hosts; in a small instance it would collect them far more often. V8 takes no code that was compiled
// under other options, Node's own included, and these are some: so they go before anything is loaded.
const v8 = bindingOfV8();
v8.setFlagsFromString("--max-old-space-size=0");
v8.setFlagsFromString("--max-semi-space-size=0");
require("node:module").enableCompileCache(CODE);
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
