// SPDX-License-Identifier: Apache-2.0
// The Queue of a World, on ebb's queues: one topic for deliveries of workflows and one for those of steps. A message is
// {queueName, payload, deploymentId}; ebb-flow pushes it to the route of the application that the SDK made.
"use strict";
const { randomUUID } = require("node:crypto");
const { fromJson, toJson } = require("./value.cjs");

const NAME = /^__(?:[a-z][a-z0-9]*_)?wkf_(workflow|step)_.+$/;
const DAY_S = 86400;
const DELAY_MAX_S = 6 * DAY_S; // of the 7 days that a message may be kept; the SDK computes the rest again
const BODY_MAX = 4 * 1024 * 1024;
const LINEAR = 32; // deliveries that come again after 1, 2, 4, 5, 5 ... s; behind them the time doubles
const AGAIN_S = 5;
const AGAIN_MAX_S = 900;
const KNOWN_MAX = 10000; // keys that this process remembers
const KNOWN_MS = 3600 * 1000; // ebb-flow knows a key for a day
const ORPHAN_TRIES = 4; // while a deployment is switched a delivery may come to another revision

const SERVICE = process.env.EBB_SERVICE ?? "function";
const DEPLOYMENT = `${SERVICE}@${process.env.EBB_REVISION ?? "0"}`;

function topicOf(queueName) {
	const found = NAME.exec(queueName);
	if (!found) throw new Error(`${queueName} is no name of a queue of workflows`);
	return `__wkf_${found[1]}_${SERVICE}`;
}

// The number of the revision of this service that an id names; undefined for ids of others.
function revisionOf(deploymentId) {
	const [service, revision] = String(deploymentId).split("@");
	return service === SERVICE && /^[1-9][0-9]*$/.test(revision) ? revision : undefined;
}

// The message without the input of a run, which is in the store as well, where it would be too large with it.
function bodyOf(envelope) {
	const body = toJson(envelope);
	if (body.length <= BODY_MAX || !envelope.payload?.runInput) return body;
	const { runInput, ...payload } = envelope.payload;
	return toJson({ ...envelope, payload });
}

function delayOf(seconds) {
	return Math.min(Math.max(0, Math.ceil(seconds ?? 0)), DELAY_MAX_S);
}

function againAfter(attempt) {
	const first = Math.min(2 ** (attempt - 1), AGAIN_S);
	return attempt <= LINEAR ? first : Math.min(AGAIN_S * 2 ** (attempt - LINEAR), AGAIN_MAX_S);
}

// Messages that were sent with a key. Each look at a run sends the messages of all of its open steps again; these need
// not be asked for.
function createMemory() {
	const known = new Map();
	return {
		find(key) {
			const found = known.get(key);
			return found && Date.now() - found.at < KNOWN_MS ? found.id : undefined;
		},
		keep(key, id) {
			known.delete(key);
			known.set(key, { id, at: Date.now() });
			if (known.size > KNOWN_MAX) known.delete(known.keys().next().value);
		},
	};
}

function createSender(client) {
	const memory = createMemory();
	return async (queueName, payload, opts = {}) => {
		const topic = topicOf(queueName);
		const key = opts.idempotencyKey && `${topic} ${opts.idempotencyKey}`;
		const before = key && memory.find(key);
		if (before) return { messageId: before };
		const delay = delayOf(opts.delaySeconds);
		const headers = {
			"content-type": "application/json",
			"vqs-delay-seconds": String(delay),
			"vqs-retention-seconds": String(delay + DAY_S),
			"vqs-idempotency-key": opts.idempotencyKey ?? randomUUID(),
		};
		const deploymentId = opts.deploymentId ?? DEPLOYMENT;
		const revision = revisionOf(deploymentId);
		if (revision) headers["vqs-deployment-id"] = revision;
		const body = bodyOf({ queueName, payload, deploymentId, headers: opts.headers });
		const path = `/api/v3/topic/${topic}`;
		const { messageId } = await client.call(path, { method: "POST", headers, body });
		if (key && messageId) memory.keep(key, messageId);
		return { messageId: messageId ?? null };
	};
}

// {message, meta} of a request of ebb-flow, or null.
async function read(request, prefix) {
	const messageId = request.headers.get("ce-vqsmessageid");
	const attempt = Number(request.headers.get("ce-vqsdeliverycount"));
	if (!messageId || !attempt) return null;
	const message = fromJson(await request.text());
	if (!String(message.queueName).startsWith(prefix)) return null;
	const requestId = request.headers.get("x-ebb-id") ?? undefined;
	return { message, meta: { attempt, queueName: message.queueName, messageId, requestId } };
}

// Ends a run whose revision is gone: other code cannot replay its events.
async function endOrphan(events, { deploymentId, payload }, meta) {
	if (meta.attempt < ORPHAN_TRIES) throw new Error(`${deploymentId} does not serve; this is ${DEPLOYMENT}`);
	const runId = payload.runId ?? payload.workflowRunId;
	if (!runId) return; // a check of health
	const message = `the run began on ${deploymentId}, which is kept no longer; ${DEPLOYMENT} serves, and other ` +
		"code cannot go on with it: start it again";
	console.error(`ebb: ${runId}: ${message}`);
	try {
		await events.create(runId, { eventType: "run_failed", specVersion: 3,
			eventData: { error: { message }, errorCode: "DEPLOYMENT_GONE" } });
	} catch (error) {
		if (!["EntityConflictError", "WorkflowRunNotFoundError"].includes(error.name)) throw error;
	}
}

// Hands the message to the SDK. What that wants again later is a new message, which is kept before this one is
// acknowledged, so a wake-up is never lost.
async function handle({ queue, events }, handler, message, meta) {
	const { queueName, payload, deploymentId } = message;
	if (deploymentId !== DEPLOYMENT && revisionOf(deploymentId)) return endOrphan(events, message, meta);
	const result = await handler(payload, meta);
	if (typeof result?.timeoutSeconds !== "number") return;
	const idempotencyKey = `${meta.messageId}-${meta.attempt}`;
	await queue(queueName, payload, { deploymentId, delaySeconds: result.timeoutSeconds, idempotencyKey });
}

function createHandlers(world) {
	return (prefix, handler) => async (request) => {
		const found = await read(request, prefix);
		if (!found) return Response.json({ error: "this is no message of a workflow" }, { status: 400 });
		const { message, meta } = found;
		try {
			await handle(world, handler, message, meta);
			return Response.json({ ok: true });
		} catch (error) {
			const after = againAfter(meta.attempt);
			console.error(`ebb: delivery ${meta.attempt} of ${message.queueName} failed:`, error);
			return Response.json({ error: String(error) }, { status: 500, headers: { "retry-after": String(after) } });
		}
	};
}

exports.createQueue = (client, events) => {
	const queue = createSender(client);
	return {
		queue,
		createQueueHandler: createHandlers({ queue, events }),
		getDeploymentId: async () => DEPLOYMENT,
	};
};
