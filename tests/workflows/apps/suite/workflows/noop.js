// SPDX-License-Identifier: Apache-2.0
let count = 0;

async function noop() {
	"use step";
	return ++count;
}

export async function brokenWf() {
	"use workflow";
	const numbers = [];
	for (const width of [10, 100]) {
		const all = [];
		for (let i = 0; i < width; i++) all.push(noop(i));
		numbers.push(...(await Promise.all(all)));
	}
	return { numbers };
}
