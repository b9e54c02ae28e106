// SPDX-License-Identifier: Apache-2.0
import { createHook, getWritable } from "workflow";

async function writeEvent(writable, event, payload) {
	"use step";
	const writer = writable.getWriter();
	await writer.write(new TextEncoder().encode(`${JSON.stringify({ event, payload })}\n`));
	writer.releaseLock();
}

export async function collectWithHook(token, customData) {
	"use workflow";
	const hook = createHook({ token, metadata: { customData } });
	const collected = [];
	const events = getWritable();
	await writeEvent(events, "hookCreated");
	for await (const payload of hook) {
		await writeEvent(events, "hookResumed", payload);
		collected.push(payload);
		if (payload.done) break;
	}
	return { collected };
}
