// SPDX-License-Identifier: Apache-2.0
// Fetch-style answers that are unlike the usual: each path is one of them.
import http from "node:http";
import zlib from "node:zlib";

const upstream = http.createServer((req, res) => {
	const body = zlib.gzipSync("from upstream ".repeat(100));
	res.writeHead(200, { "content-encoding": "gzip", "content-length": body.length });
	res.end(body);
});
upstream.listen(9123, "127.0.0.1");
const getUpstream = () => fetch("http://127.0.0.1:9123/");

const seen = [];
// Looks like a Response but is not Node's class, as those of npm's undici and of some frameworks.
class ForeignResponse {
	#inner;
	constructor(body) {
		this.#inner = new Response(body);
	}
	get status() {
		return 200;
	}
	get statusText() {
		return "";
	}
	get headers() {
		return this.#inner.headers;
	}
	get body() {
		return this.#inner.body;
	}
}

const stream = (pull, cancel) => new ReadableStream({ pull, cancel });
const bytes = new TextEncoder().encode("bytes");
const routes = {
	"/": () => new Response("odd\n"),
	"/seen": () => Response.json(seen),
	"/foreign": () => new ForeignResponse("foreign"),
	"/fetched": getUpstream,
	"/copied": async () => {
		const found = await getUpstream();
		return new Response(found.body, found); // content-length and body do not fit any more
	},
	"/nothing": () => {},
	"/fails-at-once": () => new Response(stream(() => {
		throw new Error("thrown by pull");
	})),
	"/fails-later": () => {
		let pulls = 0;
		return new Response(stream((controller) => {
			if (pulls++) throw new Error("thrown by pull");
			controller.enqueue(bytes);
		}));
	},
	"/locked": () => {
		const response = new Response("x");
		response.body.getReader();
		return response;
	},
	"/endless": () => new Response(stream((controller) => controller.enqueue(bytes), () => {
		seen.push("cancelled");
	})),
	"/redirect": () => Response.redirect("http://elsewhere.example/", 307),
	"/proto": () => {
		const headers = new Headers();
		headers.append("__proto__", "kept");
		return new Response("x", { headers });
	},
};

export default {
	fetch: (request) => (routes[new URL(request.url).pathname] ?? routes["/"])(request),
};
