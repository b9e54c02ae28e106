// SPDX-License-Identifier: Apache-2.0
// Rows of ebb-flow as the events, runs, steps, hooks and waits of the SDK, and an event of the SDK as a request.
"use strict";
const { bytes, date, decode, encode, fromJson, ms, toJson, unword, word } = require("./value.cjs");

// The member of eventData that may be large: it is the data of an event, everything else is its meta.
const LARGE = {
	run_created: "input",
	run_started: "input",
	run_completed: "output",
	step_created: "input",
	step_completed: "result",
	hook_created: "metadata",
	hook_received: "payload",
};
const DATES = ["resumeAt", "retryAfter"];
const STACK_MAX = 16384; // of meta, which has 65536 octets

function shorten(value) {
	return typeof value === "string" && value.length > STACK_MAX ? `${value.slice(0, STACK_MAX)}...` : value;
}

// An error may have any length, and meta has not.
function errorToKeep(error) {
	if (error === null || typeof error !== "object") return shorten(error);
	return { ...error, message: shorten(error.message), stack: shorten(error.stack) };
}

function split(type, eventData = {}) {
	const { [LARGE[type]]: large, ...small } = eventData;
	if ("error" in small) small.error = errorToKeep(small.error);
	if ("stack" in small) small.stack = shorten(small.stack);
	return { small, large };
}

// Header fields of an event: name, and where its value is.
const FIELDS = [
	["x-ebb-name", (e) => (e.eventType.startsWith("run_") ? e.eventData?.workflowName : e.eventData?.stepName), word],
	["x-ebb-deployment", (e) => e.eventData?.deploymentId, word],
	["x-ebb-token", (e) => (e.eventType === "hook_created" ? e.eventData.token : undefined), word],
	["x-ebb-correlation", (e) => e.correlationId, word],
	["x-ebb-spec", (e) => e.specVersion, String],
	["x-ebb-resume-at", (e) => (e.eventType === "wait_created" ? ms(e.eventData.resumeAt) : undefined), String],
	["x-ebb-retry-at", (e) => (e.eventType === "step_retrying" ? ms(e.eventData.retryAfter) : undefined), String],
];

// {headers, body} of a request that makes the event.
exports.toRequest = (event, params = {}) => {
	const { small, large } = split(event.eventType, event.eventData);
	const meta = Object.keys(small).length > 0 ? toJson(small) : Buffer.alloc(0);
	const headers = { "x-ebb-event": event.eventType, "x-ebb-meta-bytes": String(meta.length) };
	for (const [name, of, encodeWord] of FIELDS) {
		const value = of(event);
		if (value !== undefined && value !== null) headers[name] = encodeWord(value);
	}
	if (params.occurredAt) headers["x-ebb-occurred-at"] = String(ms(params.occurredAt));
	if (params.stateUpdatedAt !== undefined) headers["x-ebb-seen-at"] = String(params.stateUpdatedAt);
	return { headers, body: Buffer.concat([meta, encode(large)]) };
};

function metaOf(row) {
	return row?.meta ? fromJson(Buffer.from(bytes(row.meta)).toString()) : {};
}

function defined(object) {
	for (const key of Object.keys(object)) if (object[key] === undefined) delete object[key];
	return object;
}

// resolve: whether data and errors belong to the answer.
function eventData(row, resolve) {
	const found = metaOf(row);
	for (const name of DATES) if (found[name] !== undefined) found[name] = new Date(found[name]);
	if (row.eventType === "hook_conflict") found.token = unword(found.token);
	if (!resolve) delete found.error;
	else if (LARGE[row.eventType] && row.data) found[LARGE[row.eventType]] = decode(row.data);
	return Object.keys(found).length > 0 ? found : undefined;
}

exports.event = (row, resolve) =>
	defined({
		eventType: row.eventType,
		correlationId: row.correlationId,
		specVersion: row.specVersion,
		runId: row.runId,
		eventId: row.eventId,
		createdAt: date(row.createdAt),
		occurredAt: date(row.occurredAt),
		eventData: eventData(row, resolve),
	});

function errorOf(meta) {
	if (!("error" in meta)) return undefined;
	const { error, errorCode } = meta;
	return defined({
		message: typeof error === "string" ? error : (error?.message ?? "Unknown error"),
		stack: meta.stack ?? error?.stack,
		code: errorCode,
	});
}

exports.run = (row, resolve) => {
	const created = metaOf(row.created);
	return defined({
		runId: row.runId,
		status: row.status,
		deploymentId: unword(row.deploymentId),
		workflowName: unword(row.workflowName),
		specVersion: row.specVersion,
		executionContext: created.executionContext,
		input: resolve ? decode(row.created?.data) : undefined,
		output: resolve && row.status === "completed" ? decode(row.ended?.data) : undefined,
		error: row.status === "failed" ? errorOf(metaOf(row.ended)) : undefined,
		createdAt: date(row.createdAt),
		updatedAt: date(row.updatedAt),
		startedAt: date(row.startedAt),
		completedAt: date(row.completedAt),
	});
};

exports.step = (row, resolve) =>
	defined({
		runId: row.runId,
		stepId: row.stepId,
		stepName: unword(row.stepName),
		status: row.status,
		specVersion: row.specVersion,
		attempt: row.attempt,
		input: resolve ? decode(row.created?.data) : undefined,
		output: resolve && row.status === "completed" ? decode(row.ended?.data) : undefined,
		error: errorOf(metaOf(row.ended)),
		createdAt: date(row.createdAt),
		updatedAt: date(row.updatedAt),
		startedAt: date(row.startedAt),
		completedAt: date(row.completedAt),
		retryAfter: date(row.retryAfter),
	});

exports.hook = (row, resolve) =>
	defined({
		runId: row.runId,
		hookId: row.hookId,
		token: unword(row.token),
		ownerId: "ebb",
		projectId: process.env.EBB_SERVICE ?? "ebb",
		environment: "production",
		metadata: resolve ? decode(row.created?.data) : undefined,
		createdAt: date(row.createdAt),
		specVersion: row.specVersion,
		isWebhook: metaOf(row.created).isWebhook ?? false,
	});

exports.wait = (row) =>
	defined({
		waitId: `${row.runId}-${row.waitId}`,
		runId: row.runId,
		status: row.status,
		resumeAt: date(row.resumeAt),
		completedAt: date(row.completedAt),
		createdAt: date(row.createdAt),
		updatedAt: date(row.updatedAt),
		specVersion: row.specVersion,
	});
