// SPDX-License-Identifier: Apache-2.0
// The API: what the backend keeps, as JSON. It finds the backend by its binding.
const backend = process.env.BACKEND_URL;

async function messages() {
	const answer = await fetch(new URL("/messages", backend));
	return Response.json({ messages: await answer.json() });
}

const routes = { "GET /api/messages": messages, "GET /api/time": () => Response.json({ now: Date.now() }) };

export default {
	fetch(request) {
		const route = routes[`${request.method} ${new URL(request.url).pathname}`];
		return route ? route(request) : Response.json({ error: "not found" }, { status: 404 });
	},
};
