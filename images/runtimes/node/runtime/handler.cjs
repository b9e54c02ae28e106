// SPDX-License-Identifier: Apache-2.0
// Serves an entry point that does not listen itself but exports something: a fetch-style handler, an application of
// a framework, or a function of (req, res).
"use strict";
const http = require("node:http");
const { pathToFileURL } = require("node:url");
const state = require("./state.cjs");

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function byMethod(found) {
	const allow = METHODS.filter((name) => typeof found[name] === "function").join(", ");
	return (request, context) => {
		const call = found[request.method] ?? (request.method === "HEAD" ? found.GET : undefined);
		if (typeof call === "function") return call(request, context);
		return new Response("Method Not Allowed\n", { status: 405, headers: { allow } });
	};
}

// The kind of an export: {fetch}, {node}, {listen} or null. The most specific kinds are tried first.
function classify(namespace) {
	const found = namespace.default?.default ?? namespace.default; // CommonJS made from ES modules
	if (found && typeof found.fetch === "function")
		return { fetch: (request, context) => found.fetch(request, context) };
	for (const one of [namespace, found])
		if (one && METHODS.some((name) => typeof one[name] === "function" && !one.listen))
			return { fetch: byMethod(one) };
	if (typeof found === "function") return found.length >= 2 ? { node: found } : { fetch: found };
	if (found && typeof found.listen === "function") return { listen: found };
	return null;
}

function serve(kind, port) {
	if (kind.fetch) return void require("./fetch.cjs").serve(kind.fetch, port);
	if (kind.node) return void http.createServer((req, res) => kind.node(req, res)).listen(port);
	if (kind.listen instanceof require("node:net").Server) return void kind.listen.listen(port);
	return kind.listen.listen({ port, host: "0.0.0.0" }); // Fastify
}

async function look(file) {
	const namespace = await import(pathToFileURL(file));
	if (state.serving || state.servers.size > 0) return;
	const kind = classify(namespace);
	if (kind) return serve(kind, require("./server.cjs").PORT);
	process.once("beforeExit", () => {
		if (state.serving) return;
		console.error(`ebb: ${file} neither listens on $PORT nor exports a handler: ` +
			"export default { fetch(request) {} }, export function GET(request), or listen");
		process.exit(1);
	});
}

exports.install = () => {
	const file = process.argv[1];
	if (!file) return;
	// Runs after the program itself: a CommonJS program has run by then, and import() gives its module again.
	setImmediate(() => look(require("node:path").resolve(file)));
};

exports.classify = classify;
