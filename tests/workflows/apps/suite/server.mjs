// SPDX-License-Identifier: Apache-2.0
// The routes that the SDK builds, and those of the server of @workflow/world-testing: start, look, resume, read.
import { getHookByToken, getRun, resumeHook, start } from "workflow/api";
import { getWorld } from "workflow/runtime";
import * as flow from "./.well-known/workflow/v1/flow.js";
import * as step from "./.well-known/workflow/v1/step.js";
import * as webhook from "./.well-known/workflow/v1/webhook.js";
import manifest from "./.well-known/workflow/v1/manifest.json" with { type: "json" };

const SDK = "/.well-known/workflow/v1/";

// The member of a manifest that a workflow's name has; its file is of no matter, names are unique here.
function workflow(name) {
	for (const file of Object.values(manifest.workflows)) if (file[name]) return file[name];
	throw new Error(`no workflow ${name}`);
}

const post = {
	async invoke(_, { workflow: name, args = [] }) {
		return { runId: (await start(workflow(name), args)).runId };
	},
	async hooks(token, payload) {
		const hook = await getHookByToken(token);
		await resumeHook(hook.token, { ...payload, metadata: hook.metadata });
		return { runId: hook.runId };
	},
	async cancel(runId) {
		await getRun(runId).cancel();
		return {};
	},
};

const get = {
	async runs(runId) {
		const run = getRun(runId);
		const status = await run.status;
		if (status === "completed") return { status, output: await run.returnValue };
		const { error } = await getWorld().runs.get(runId);
		return { status, error };
	},
	readable: async (runId) => new Response(getRun(runId).getReadable()),
	events: async (runId) => (await getWorld().events.list({ runId, pagination: { limit: 1000 } })).data,
	steps: async (runId) => (await getWorld().steps.list({ runId })).data,
	world: async () => ({ target: process.env.WORKFLOW_TARGET_WORLD, id: await getWorld().getDeploymentId() }),
};

const sdk = { flow: flow.POST, step: step.POST };

async function answer(request, path) {
	const [name, id] = path.slice(1).split("/").map(decodeURIComponent);
	const found = request.method === "POST" ? post[name] : get[name];
	if (!found) return new Response("Not Found\n", { status: 404 });
	const value = await found(id, request.method === "POST" ? await request.json().catch(() => ({})) : undefined);
	return value instanceof Response ? value : Response.json(value);
}

export default {
	async fetch(request) {
		const path = new URL(request.url).pathname;
		if (path.startsWith(`${SDK}webhook/`)) return webhook[request.method](request);
		if (path.startsWith(SDK)) return sdk[path.slice(SDK.length)](request);
		return answer(request, path);
	},
};
