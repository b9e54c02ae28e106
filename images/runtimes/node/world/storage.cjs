// SPDX-License-Identifier: Apache-2.0
// The Storage of a World. Events are the only way to change something; ebb-flow keeps the states that follow from them,
// in the same transaction.
"use strict";
const { randomBytes } = require("node:crypto");
const entities = require("./entities.cjs");
const paths = require("./paths.cjs");
const { word } = require("./value.cjs");

const { BASE, id } = paths;
const PAGE = 1000; // a look at a run wants all of its events
const ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const resolved = (params) => params?.resolveData !== "none";

// The query of a question: data, and the page.
function query(params, more = {}) {
	const { limit, cursor, sortOrder } = params?.pagination ?? {};
	return paths.query({ data: resolved(params) ? "all" : "none", limit, cursor, order: sortOrder, ...more });
}

// The path of a run.
function pathOf(runId) {
	return `${BASE}/runs/${id("run", runId, { runId })}`;
}

function page(answer, convert) {
	return { data: answer.data.map(convert), cursor: answer.cursor, hasMore: answer.hasMore };
}

// An id of a run: the time in ms as 10 letters, and 16 of chance.
function newRunId() {
	let time = "";
	for (let at = 0, rest = Date.now(); at < 10; at++, rest = Math.floor(rest / 32)) time = ULID[rest % 32] + time;
	return `wrun_${time}${[...randomBytes(16)].map((octet) => ULID[octet % 32]).join("")}`;
}

function createEvents(client) {
	// The answers of these two events are all that a delivery knows of its run or step.
	const NEEDS_DATA = new Set(["run_started", "step_started"]);

	async function create(known, event, params = {}) {
		const runId = known || newRunId();
		const data = NEEDS_DATA.has(event.eventType);
		const request = entities.toRequest(event, params);
		const about = { runId, token: event.correlationId };
		const path = `${pathOf(runId)}/events${data ? "?data=all" : ""}`;
		const answer = await client.call(path, { method: "POST", ...request }, about);
		return results(answer, event, resolved(params));
	}

	function results(answer, event, resolve) {
		const { event: row, run, step, hook, wait } = answer;
		const out = {};
		if (row) {
			out.event = entities.event(row, resolve);
			// The octets that went out come back as they were.
			if (resolve && row.eventType === event.eventType && event.eventData && event.eventType !== "run_started")
				out.event.eventData = event.eventData;
		}
		if (run) Object.assign(out, { run: entities.run(run, true), maxEvents: run.maxEvents });
		if (run && event.eventType === "run_created") out.run.input = event.eventData.input;
		if (step) out.step = entities.step(step, true);
		if (step && event.eventType === "step_completed") out.step.output = event.eventData.result;
		if (hook) out.hook = entities.hook(hook, true);
		if (wait) out.wait = entities.wait(wait);
		return out;
	}

	return {
		create,
		async get(runId, eventId, params) {
			const path = `${pathOf(runId)}/events/${id("event", eventId)}${query(params)}`;
			return entities.event(await client.call(path, {}, { runId }), resolved(params));
		},
		async list(params) {
			const path = `${pathOf(params.runId)}/events${query(params, { limit: params.pagination?.limit ?? PAGE })}`;
			return page(await client.call(path, {}, params), (row) => entities.event(row, resolved(params)));
		},
		async listByCorrelationId(params) {
			const headers = { "x-ebb-correlation": word(params.correlationId) };
			const answer = await client.call(`${BASE}/events${query(params, { run: params.runId })}`, { headers });
			return page(answer, (row) => entities.event(row, resolved(params)));
		},
	};
}

function createRuns(client) {
	return {
		async get(runId, params) {
			const row = await client.call(`${pathOf(runId)}${query(params)}`, {}, { runId });
			return entities.run(row, resolved(params));
		},
		async list(params = {}) {
			const headers = params.workflowName ? { "x-ebb-name": word(params.workflowName) } : {};
			const answer = await client.call(`${BASE}/runs${query(params, { status: params.status })}`, { headers });
			return page(answer, (row) => entities.run(row, resolved(params)));
		},
	};
}

function createSteps(client) {
	return {
		async get(runId, stepId, params) {
			const path = `${runId ? pathOf(runId) : BASE}/steps/${id("step", stepId)}${query(params)}`;
			const row = await client.call(path, {}, { runId });
			return entities.step(row, resolved(params));
		},
		async list(params) {
			const path = `${pathOf(params.runId)}/steps${query(params)}`;
			return page(await client.call(path, {}, params), (row) => entities.step(row, resolved(params)));
		},
	};
}

function createHooks(client) {
	return {
		async get(hookId, params) {
			const about = { token: hookId };
			const row = await client.call(`${BASE}/hooks/${id("hook", hookId, about)}${query(params)}`, {}, about);
			return entities.hook(row, resolved(params));
		},
		async getByToken(token, params) {
			const headers = { "x-ebb-token": word(token) };
			const row = await client.call(`${BASE}/tokens${query(params)}`, { headers }, { token });
			return entities.hook(row, resolved(params));
		},
		async list(params = {}) {
			const of = params.runId ? pathOf(params.runId) : BASE;
			const answer = await client.call(`${of}/hooks${query(params)}`, {}, params);
			return page(answer, (row) => entities.hook(row, resolved(params)));
		},
	};
}

exports.createStorage = (client) => ({
	runs: createRuns(client),
	steps: createSteps(client),
	events: createEvents(client),
	hooks: createHooks(client),
});
