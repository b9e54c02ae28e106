// SPDX-License-Identifier: Apache-2.0
// A World of the Workflow SDK (npm `workflow` 4.x, interface of @workflow/world 4.5): runs, events, hooks and streams
// are kept by ebb-flow, messages are those of ebb's queues. Nothing polls, so a run that sleeps or waits for a hook is
// rows on the host and no process. WORKFLOW_TARGET_WORLD names this file.
"use strict";
const calls = require("./call.cjs");
const { createQueue } = require("./queue.cjs");
const { createStorage } = require("./storage.cjs");
const { createStreamer } = require("./streams.cjs");

const SPEC_VERSION = 3; // the newest that this World keeps: messages carry the input of a run

function createWorld(options = {}) {
	const client = calls.createClient(options.url ?? process.env.EBB_QUEUE_URL);
	const storage = createStorage(client);
	return {
		specVersion: SPEC_VERSION,
		...storage,
		...createStreamer(client),
		...createQueue(client, storage.events),
		async start() {}, // ebb-flow delivers, whether a process runs or not
		async close() {
			client.close();
		},
	};
}

module.exports = createWorld;
module.exports.default = createWorld;
module.exports.createWorld = createWorld;
