// SPDX-License-Identifier: Apache-2.0
async function nullByteStep() {
	"use step";
	return "null byte \0";
}

export async function nullByteWorkflow() {
	"use workflow";
	return await nullByteStep();
}
