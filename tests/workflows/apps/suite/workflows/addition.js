// SPDX-License-Identifier: Apache-2.0
async function add(a, b) {
	"use step";
	return a + b;
}

export async function addition(a, b) {
	"use workflow";
	return await add(a, b);
}
