// SPDX-License-Identifier: Apache-2.0
// Messages, runs of schedules and runs of workflows, each of which has one effect: a message to the topic "done", with a
// key. It keeps nothing in its memory, so it may die at any time.
import { createRequire } from "node:module";
const world = createRequire(import.meta.url)(process.env.WORKFLOW_TARGET_WORLD).createWorld();
const NAME = "double", SPEC = 3;

const bytes = (value) => new TextEncoder().encode(JSON.stringify(value));

async function effect(key, text = key) {
	const reply = await fetch(`${process.env.EBB_QUEUE_URL}/api/v3/topic/done`, {
		method: "POST", body: text, headers: { "content-type": "text/plain", "vqs-idempotency-key": key },
	});
	if (!reply.ok) throw new Error(`done: ${reply.status}`);
	await reply.arrayBuffer();
}

// An event that another delivery of the same message may have made before.
async function make(runId, eventType, correlationId, eventData) {
	try {
		await world.events.create(runId, { eventType, specVersion: SPEC, correlationId, eventData });
	} catch (error) {
		if (!["EntityConflictError", "RunExpiredError"].includes(error.name)) throw error;
	}
}

async function start({ runId, n, until }) {
	await make(runId, "run_created", undefined, { deploymentId: await world.getDeploymentId(), workflowName: NAME, input: bytes(n) });
	await world.queue(`__wkf_workflow_${NAME}`, { runId, n, until }, { idempotencyKey: runId });
}

// Sleeps until a time, doubles n in a step that has an effect, and ends.
async function go({ runId, n, until }) {
	const seen = new Set((await world.events.list({ runId })).data.map((event) => event.eventType));
	if (seen.has("run_completed")) return undefined;
	if (!seen.has("run_started")) await make(runId, "run_started");
	if (!seen.has("wait_created")) await make(runId, "wait_created", "wait", { resumeAt: new Date(until) });
	const left = until - Date.now();
	if (left > 0) return { timeoutSeconds: left / 1000 };
	if (!seen.has("wait_completed")) await make(runId, "wait_completed", "wait");
	if (!seen.has("step_created")) await make(runId, "step_created", "step", { stepName: NAME, input: bytes(n) });
	if (!seen.has("step_completed")) {
		await make(runId, "step_started", "step");
		await effect(`run ${runId}`);
		await make(runId, "step_completed", "step", { result: bytes(2 * n) });
	}
	await make(runId, "run_completed", undefined, { output: bytes(2 * n) });
	return undefined;
}

const field = (request, name) => request.headers.get(name);
const routes = {
	"/": async () => {},
	"/start": async (request) => start(await request.json()),
	"/orders": async (request) => effect(`order ${field(request, "ce-vqsmessageid")}`, `order ${await request.text()}`),
	"/tick": async (request) => effect(`tick ${field(request, "x-ebb-run")}`,
		`tick ${field(request, "x-ebb-run")} ${field(request, "x-ebb-schedule")} ${field(request, "x-ebb-scheduled")}`),
};
const flow = world.createQueueHandler("__wkf_workflow_", go);

export default {
	async fetch(request) {
		const path = new URL(request.url).pathname;
		if (path === "/.well-known/workflow/v1/flow") return flow(request);
		if (!routes[path]) return new Response("no such path\n", { status: 404 });
		try {
			await routes[path](request);
			return new Response("ok\n");
		} catch (error) {
			return new Response(`${error}\n`, { status: 500 });
		}
	},
};
