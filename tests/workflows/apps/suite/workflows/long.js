// SPDX-License-Identifier: Apache-2.0
// What the suite of the SDK has not: sleeps, a webhook, cancellation, and runs that are killed on their way.
import { createWebhook, getWritable, sleep } from "workflow";

async function note(n) {
	"use step";
	return { n, pid: process.pid, revision: process.env.EBB_REVISION };
}

export async function steps(count, pause) {
	"use workflow";
	const notes = [];
	for (let n = 0; n < count; n++) {
		notes.push(await note(n));
		if (pause) await sleep(pause);
	}
	return notes;
}

export async function nap(time) {
	"use workflow";
	const before = await note(0);
	await sleep(time);
	return [before, await note(1)];
}

async function tell(address, to) {
	"use step";
	const writer = to.getWriter();
	await writer.write(address);
	writer.releaseLock();
}

export async function awaitWebhook() {
	"use workflow";
	const webhook = createWebhook();
	await tell(webhook.url, getWritable());
	const request = await webhook;
	return { method: request.method, text: await request.text() };
}
