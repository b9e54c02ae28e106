// SPDX-License-Identifier: Apache-2.0
// An order: it is charged, waits for a person, waits for a carrier, and is told about on its way.
import { createHook, createWebhook, getWritable, sleep } from "workflow";

type Approval = { by: string; yes: boolean };

export async function order(id: string, cents: number) {
	"use workflow";
	const receipt = await charge(id, cents);
	await tell(`charged ${receipt}`);

	const approval = createHook<Approval>({ token: `approve-${id}` });
	const { by, yes } = await approval;
	if (!yes) return { id, state: "refused", by };

	const carrier = createWebhook();
	await book(id, carrier.url);
	await tell(`carrier ${carrier.url}`);
	const request = await carrier;
	await sleep("2s");
	await tell(`delivered by ${await request.text()}`);
	return { id, state: "delivered", by, receipt };
}

async function charge(id: string, cents: number) {
	"use step";
	return `${id}-${cents}`;
}

async function book(id: string, url: string) {
	"use step";
	console.log(`order ${id}: the carrier calls ${url}`);
}

async function tell(line: string) {
	"use step";
	const writer = getWritable<string>().getWriter();
	await writer.write(`${line}\n`);
	writer.releaseLock();
}
