// SPDX-License-Identifier: Apache-2.0
// Errors as the Workflow SDK knows them: it asks for the name of an error, because each bundle has classes of its own.
"use strict";

// What the SDK does about each answer of ebb-flow, by its code. A code that is not here is no error of its own.
const KINDS = {
	run_exists: "EntityConflictError",
	exists: "EntityConflictError",
	step_over: "EntityConflictError",
	wait_over: "EntityConflictError",
	too_early: "TooEarlyError",
	stale: "PreconditionFailedError",
	run_not_found: "WorkflowRunNotFoundError",
	hook_not_found: "HookNotFoundError",
};

function make(name, message, members) {
	const error = new Error(message);
	Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
	return Object.assign(error, members);
}

function nameOf(status, code) {
	if (code === "run_over") return status === 410 ? "RunExpiredError" : "EntityConflictError";
	return KINDS[code] ?? (status === 429 ? "ThrottleError" : "WorkflowWorldError");
}

// answer: {status, body, headers} of ebb-flow. about: {runId, token}, what the call was about.
exports.ofAnswer = (answer, about = {}) => {
	const { error = `ebb-flow answered ${answer.status}`, code, retryAfterMs } = answer.body ?? {};
	const name = nameOf(answer.status, code);
	const members = {};
	if (name === "WorkflowRunNotFoundError" || name === "HookNotFoundError") Object.assign(members, about);
	if (name === "WorkflowWorldError") Object.assign(members, { status: answer.status, code });
	if (name === "PreconditionFailedError") members.status = 412;
	if (name === "TooEarlyError") members.retryAfter = Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000));
	if (name === "ThrottleError") members.retryAfter = Number(answer.headers["retry-after"]) || 1;
	return make(name, error, members);
};

// No answer came. With this code the SDK lets the message come again, and the run goes on.
exports.lost = (cause) =>
	make("WorkflowWorldError", `ebb-flow cannot be reached: ${cause.message}`, { code: "TRANSPORT", cause });

exports.noQueues = () =>
	make("WorkflowWorldError", "EBB_QUEUE_URL is not set, so this service has no store of workflows: its " +
		"experimentalTriggers or ebb.queues give it one");
