// SPDX-License-Identifier: Apache-2.0
import { FatalError, getStepMetadata, RetryableError } from "workflow";

async function failsOnce() {
	"use step";
	const { attempt, stepStartedAt } = getStepMetadata();
	if (attempt === 1) throw new RetryableError("once", { retryAfter: "2s" });
	return { attempt, stepStartedAt, duration: Date.now() - stepStartedAt.getTime() };
}

async function failsForEver() {
	"use step";
	throw new FatalError("for ever");
}

export async function retryableAndFatalErrorWorkflow() {
	"use workflow";
	const retryableResult = await failsOnce();
	let gotFatalError = false;
	try {
		await failsForEver();
	} catch (error) {
		gotFatalError = FatalError.is(error);
	}
	return { retryableResult, gotFatalError };
}
