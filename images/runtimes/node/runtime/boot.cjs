// SPDX-License-Identifier: Apache-2.0
// node --require /usr/lib/ebb/node/boot.cjs FILE: makes an unmodified program a fluid function. The program needs
// nothing of this runtime, and this runtime needs no package of npm.
"use strict";

const CODE = "/usr/lib/ebb/code"; // code compiled by `ebb build`; without it Node compiles at each start

// The binding behind node:v8, without the modules that node:v8 loads. Node warns programs that use it; this runtime
// turns the warning off.
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

// The heap got its limits when the process started, from NODE_OPTIONS (config.json): the service's limit for old
// objects, and for young objects the size that V8 chooses on large hosts, because with the size for a small instance
// V8 would collect far more often. It got no memory reducer, which would collect garbage by timers of its own for two
// minutes after a burst: a frozen instance would be thawed for them. The options are then reset here, before any module
// is loaded: V8 refuses code that was compiled under other options, Node's own too.
const v8 = bindingOfV8();
v8.setFlagsFromString("--max-old-space-size=0");
v8.setFlagsFromString("--max-semi-space-size=0");
v8.setFlagsFromString("--memory-reducer");
require("node:module").enableCompileCache(CODE);
const { isMainThread } = require("node:worker_threads");

// Workers and forked children inherit --require; requests come to the first process only.
if (isMainThread && !process.env.EBB_BOOTED) {
	process.env.EBB_BOOTED = "1";
	// @vercel/functions' attachDatabasePool keeps an instance awake only where these are set.
	process.env.VERCEL_URL ??= `${process.env.EBB_SERVICE || "function"}.localhost`;
	process.env.VERCEL_REGION ??= "local";
	// npm's workflow keeps its runs here, where the service has queues; a program may choose another World.
	if (process.env.EBB_QUEUE_URL || process.env.EBB_BAKE)
		process.env.WORKFLOW_TARGET_WORLD ??= require("node:path").join(__dirname, "world/index.cjs");
	require("./scope.cjs").install();
	require("./logs.cjs").install();
	require("./errors.cjs").install();
	require("./server.cjs").install();
	require("./stop.cjs").install();
	require("./handler.cjs").install();
}
