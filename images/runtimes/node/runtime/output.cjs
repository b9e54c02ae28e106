// SPDX-License-Identifier: Apache-2.0
// Serves a build output (images/build/output.py): the entry point of its image. output_build.cjs made the table.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const { Cache } = require("./output_cache.cjs");
const files = require("./output_files.cjs");
const images = require("./output_images.cjs");
const regex = require("./output_regex.cjs");
const { Functions, cookiesOf } = require("./output_functions.cjs");
const fetching = require("./fetch.cjs");
const middleware = require("./output_middleware.cjs");
const routes = require("./output_routes.cjs");

const ROOT = process.env.EBB_OUTPUT_ROOT ?? "/app";
const PLAIN = "text/plain; charset=utf-8";

const table = JSON.parse(fs.readFileSync(`${ROOT}/output.json`, "utf8"));
for (const [key, value] of Object.entries(table.environment)) process.env[key] ??= value;
const phases = routes.compile(table.routes);
const pictures = images.compile(table.images, regex.compile);
const functions = new Functions(ROOT);
const cache = new Cache(ROOT, (found, req, res) => functions.call(found, req, res));
// Functions that are asked before routes, by the path in them: no client reaches them.
const asked = new Map(table.routes.filter((one) => one.middlewarePath).map((one) => [`/${one.middlewarePath}`,
	table.functions.find((each) => each.name === one.middlewarePath)]));
const outputs = index();

// The paths of each output: /a/index.html also is /a/index, /a and /a/.
function* pathsOf(name) {
	const path = `/${name}`;
	yield path;
	const bare = path.replace(/(^|\/)index(\.html)?$/, "");
	if (bare === path) return;
	yield bare || "/";
	yield `${bare}/`;
	yield `${bare}/index`;
}

function index() {
	const found = new Map();
	const add = (name, output) => {
		for (const path of pathsOf(name)) if (!found.has(path)) found.set(path, output);
	};
	for (const one of table.files) add(one.path, { file: one });
	for (const one of table.functions) if (!asked.has(`/${one.name}`)) add(one.name, { function: one });
	return found;
}

function decoded(path) {
	try {
		return decodeURIComponent(path);
	} catch {
		return null;
	}
}

function requestOf(req) {
	const at = req.url.indexOf("?");
	const path = decoded(at < 0 ? req.url : req.url.slice(0, at));
	if (path === null || !path.startsWith("/")) return null;
	const host = (req.headers["x-forwarded-host"] ?? req.headers.host ?? "").split(":", 1)[0];
	return {
		method: req.method, path, host, wildcard: table.wildcard?.find((one) => one.domain === host)?.value, original: at < 0 ? req.url : req.url.slice(0, at),
		query: new URLSearchParams(at < 0 ? "" : req.url.slice(at + 1)), headers: req.headers,
		cookies: cookiesOf(req.headers.cookie),
	};
}

function plainly(res, status, headers) {
	const text = `${http.STATUS_CODES[status] ?? status}\n`;
	res.writeHead(status, { "content-type": PLAIN, "content-length": Buffer.byteLength(text), ...headers });
	res.end(res.req.method === "HEAD" ? undefined : text);
}

// A function sees the path of its client, with the parameters of the destination, and where that led.
async function callFunction(found, request, answer, req, res) {
	if (found.missing) return plainly(res, 501, {});
	const search = request.query.toString();
	request.target = request.original + (search ? `?${search}` : "");
	request.matched = answer.matched ?? request.path;
	if (found.prerender && (req.method === "GET" || req.method === "HEAD"))
		return cache.serve(found, request, req, res, answer.headers);
	req.url = request.target;
	req.headers["x-matched-path"] = request.matched;
	for (const [key, value] of Object.entries(answer.headers)) res.setHeader(key, value);
	if (answer.status) res.statusCode = answer.status;
	return functions.call(found, req, res);
}

async function serve(req, res) {
	let request = requestOf(req);
	const wanted = request && images.asked(pictures, request);
	if (wanted?.url) {
		req.url = wanted.url; // it goes the way of the picture itself, through its middleware
		request = requestOf(req);
	}
	if (!request || wanted?.refused) return plainly(res, 400, {});
	let answer = routes.resolve(phases, outputs, request);
	while (answer.ask) {
		const { response, url } = await functions.ask(asked.get(answer.ask), req);
		const end = middleware.apply(response, req, request, answer.answer, url);
		if (end?.response) return fetching.send(req, res, end.response);
		answer = end?.away ? end : answer.resume();
	}
	if (answer.away) {
		const redirect = answer.status >= 300 && answer.status < 400;
		return plainly(res, redirect ? answer.status : 502, redirect ? { ...answer.headers, location: answer.away } : {});
	}
	if (!answer.output) return plainly(res, answer.status || 404, answer.headers);
	const found = (answer.status || 200) < 400; // else its output is the page of an error
	if (wanted && found && !images.fits(pictures, answer.output.file, files.typeOf)) return plainly(res, 400, {});
	if (wanted) Object.assign(answer.headers, images.HEADERS);
	if (answer.output.file) return files.send(ROOT, answer.output.file, req, res, answer.status || 200, answer.headers);
	return callFunction(answer.output.function, request, answer, req, res);
}

// An error of serve() is one of its request: errors.cjs finds it by the context.
http.createServer((req, res) => void serve(req, res)).listen(process.env.PORT || 8080);
