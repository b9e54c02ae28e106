// SPDX-License-Identifier: Apache-2.0
// An ordinary program that asks for a name: fetch for http, the https module with a CA of the test's own.
import https from "node:https";

function secure(url) {
	return new Promise((resolve, reject) => {
		https.get(url, { ca: process.env.TEST_CA }, (answer) => {
			let text = "";

			answer.on("data", (piece) => { text += piece; });
			answer.on("end", () => resolve(text));
		}).on("error", reject);
	});
}

async function outside(request) {
	const url = new URL(request.url).searchParams.get("url");

	try {
		return new Response(url.startsWith("https:") ? await secure(url) : await (await fetch(url)).text());
	} catch (error) {
		return new Response(String(error.cause?.code ?? error.code ?? error), { status: 502 });
	}
}

export default { fetch: outside };
