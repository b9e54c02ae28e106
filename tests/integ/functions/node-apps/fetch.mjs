// SPDX-License-Identifier: Apache-2.0
// A fetch-style handler.
import { setTimeout as sleep } from "node:timers/promises";
import { background, later, never, THROWS } from "./work.mjs";

const seen = { aborted: [] };
const routes = {
	"/": () => new Response("hello from fetch\n"),
	"/peer": (request) => Response.json({ peer: request.headers.get("x-forwarded-for") }),
	"/later": (request, query) => Response.json(later(query)),
	"/done": () => Response.json(background.done),
	"/seen": () => Response.json(seen),
	"/sleep": async (request, query) => {
		await sleep(Number(query.get("ms")));
		return Response.json({ slept: true });
	},
	"/throw": async (request, query) => {
		THROWS[query.get("in")]();
		await never();
	},
	"/echo": (request) => new Response(request.body),
	"/cookies": () => {
		const headers = new Headers();
		headers.append("set-cookie", "a=1");
		headers.append("set-cookie", "b=2");
		return new Response(null, { status: 204, headers });
	},
	// Waits until request.signal is aborted, and notes why.
	"/wait": (request, query) => {
		if (query.get("name")) later(query);
		return new Promise((resolve, reject) => {
			request.signal.addEventListener("abort", () => {
				seen.aborted.push(request.signal.reason.name);
				reject(request.signal.reason);
			});
		});
	},
	"/ticks": () => {
		const blocks = async function* () {
			for (let i = 0; i < 3; i++) {
				yield new TextEncoder().encode(`tick ${i}\n`);
				await sleep(100);
			}
		};
		return new Response(ReadableStream.from(blocks()));
	},
};

export default {
	fetch(request) {
		const url = new URL(request.url);
		const route = routes[url.pathname];
		return route ? route(request, url.searchParams) : new Response(null, { status: 404 });
	},
};
