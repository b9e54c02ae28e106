// SPDX-License-Identifier: Apache-2.0
// Runs inside a sandbox of `ebb build --prebuilt`: reads a tree of the Build Output API, version 3, in /app or in
// /app/.vercel/output, and puts into OUT what output.cjs serves: static/, functions/, and output.json, the table.
// A fault of the tree ends it with file, path, value and what is allowed; it says in one list what is not supported.
//
// usage: output_build.cjs OUT strict|lenient
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const regex = require("./output_regex.cjs");

const [, , OUT, STRICT] = process.argv;
const APP = process.env.EBB_OUTPUT_APP ?? "/app";
const JSON_MAX = 8 << 20;
const ROUTES_MAX = 20_000;
const HANDLES = ["filesystem", "resource", "miss", "rewrite", "hit", "error"];
const unsupported = [];
let edges = 0;
const asked = []; // [place, name] of middleware

class Fault extends Error {}

function fault(file, where, value, allowed) {
	const shown = JSON.stringify(value) ?? "nothing";
	throw new Fault(`${file}: ${where} is ${shown.length > 120 ? shown.slice(0, 120) + "..." : shown}; allowed: ${allowed}`);
}

function leaveOut(file, what, instead) {
	unsupported.push(`${file}: ${what}: ${instead}`);
}

// --- values: a table says what each key may hold ------------------------------------------------------------------
const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const KINDS = {
	string: [(v) => typeof v === "string", "a string"],
	boolean: [(v) => typeof v === "boolean", "true or false"],
	counts: [(v) => Array.isArray(v) && v.every((one) => Number.isInteger(one) && one >= 0), "a list of whole numbers"],
	count: [(v) => Number.isInteger(v) && v >= 0, "a whole number from 0"],
	status: [(v) => Number.isInteger(v) && v >= 100 && v <= 599, "a number from 100 to 599"],
	object: [isObject, "an object"],
	list: [Array.isArray, "a list"],
	strings: [(v) => Array.isArray(v) && v.every((one) => typeof one === "string"), "a list of strings"],
	texts: [(v) => isObject(v) && Object.values(v).every((one) => typeof one === "string"), "an object of strings"],
	expiration: [(v) => v === false || (Number.isInteger(v) && v >= 0), "a number of seconds, or false"],
	fields: [(v) => isObject(v) && Object.values(v).every((one) => typeof one === "string" ||
		(Array.isArray(one) && one.every((each) => typeof each === "string"))), "an object of strings or lists of strings"],
};
const ROUTE = { src: "string", dest: "string", headers: "texts", methods: "strings", has: "list", missing: "list",
	status: "status", continue: "boolean", check: "boolean", caseSensitive: "boolean", important: "boolean",
	override: "boolean", handle: "string" };
const FUNCTION = { runtime: "string", handler: "string", launcherType: "string", shouldAddHelpers: "boolean",
	supportsResponseStreaming: "boolean", useWebApi: "boolean", environment: "object", memory: "count",
	maxDuration: "count", filePathMap: "texts" };
const PRERENDER = { expiration: "expiration", fallback: "any", initialHeaders: "fields", initialStatus: "status",
	allowQuery: "strings", bypassToken: "string", group: "count" };

function holds(file, where, document, table) {
	for (const [key, kind] of Object.entries(table)) {
		const value = document[key];
		if (value === undefined || value === null || kind === "any") continue;
		const [test, allowed] = KINDS[kind];
		if (!test(value)) fault(file, `${where}${key}`, value, allowed);
	}
}

function readJson(file) {
	const size = fs.statSync(path.join(ROOT, file)).size;
	if (size > JSON_MAX) fault(file, "its size", size, `${JSON_MAX} bytes`);
	let found;
	try {
		found = JSON.parse(fs.readFileSync(path.join(ROOT, file), "utf8"));
	} catch (error) {
		throw new Fault(`${file}: it is no JSON: ${error.message}`);
	}
	if (!isObject(found)) fault(file, "the document", found, "an object");
	return found;
}

// The real path, which must be below `root`.
function inside(root, file, name) {
	let real;
	try {
		real = fs.realpathSync(name);
	} catch {
		throw new Fault(`${file}: ${path.relative(root, name)} is not there; allowed: a file below ${root}`);
	}
	if (real !== root && !real.startsWith(root + "/")) fault(file, "a link", real, `a path below ${root}`);
	return real;
}

// --- routes -------------------------------------------------------------------------------------------------------
function expression(file, where, source) {
	try {
		regex.compile(source);
	} catch (error) {
		if (!(error instanceof regex.Refused)) throw error;
		fault(file, where, source, `a regular expression that is matched in linear time (${error.message})`);
	}
}

function condition(where, one) {
	if (!isObject(one) || !["host", "header", "cookie", "query"].includes(one.type))
		fault("config.json", where, one, 'an object with "type": host, header, cookie or query');
	if (one.type !== "host" && typeof one.key !== "string") fault("config.json", `${where}.key`, one.key, "a string");
	const value = one.value;
	if (value === undefined) return;
	if (typeof value === "string") return expression("config.json", `${where}.value`, value);
	if (!isObject(value)) fault("config.json", `${where}.value`, value, "a regular expression, or an object of comparisons");
	if (value.re !== undefined) expression("config.json", `${where}.value.re`, value.re);
}

const NO_ROUTE_KEYS = { transforms: "they are not made", locale: "no language is chosen by it", mitigate: "nobody is challenged" };

function route(one, where) {
	const file = "config.json";
	if (!isObject(one)) fault(file, where, one, "an object");
	holds(file, where + ".", one, ROUTE);
	if (one.handle !== undefined) {
		if (!HANDLES.includes(one.handle)) fault(file, `${where}.handle`, one.handle, HANDLES.join(", "));
		return;
	}
	if (typeof one.src !== "string") fault(file, `${where}.src`, one.src, "a regular expression");
	expression(file, `${where}.src`, one.src);
	for (const key of ["has", "missing"]) (one[key] ?? []).forEach((each, i) => condition(`${where}.${key}[${i}]`, each));
	// A request that goes past a check of rights is worse than none.
	if (one.middleware !== undefined && one.middlewarePath === undefined)
		fault(file, `${where}.middleware`, one.middleware, "middlewarePath, the name of a function");
	if (one.middlewarePath !== undefined) asked.push([`${where}.middlewarePath`, one.middlewarePath]);
	for (const [key, instead] of Object.entries(NO_ROUTE_KEYS))
		if (one[key] !== undefined) leaveOut(file, `${where}.${key}`, instead);
	if (/^https?:\/\//.test(one.dest ?? "") && !(one.status >= 300 && one.status < 400))
		leaveOut(file, `${where}.dest ${one.dest}`, "other hosts are not asked, the answer is 502");
}

// --- files and functions ----------------------------------------------------------------------------------------
function* walk(root, below = "") {
	for (const entry of fs.readdirSync(path.join(root, below), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
		const name = path.posix.join(below, entry.name);
		yield [name, entry];
		if (entry.isDirectory() && !name.endsWith(".func")) yield* walk(root, name);
	}
}

function statics(overrides) {
	const table = [];
	if (!fs.existsSync(`${ROOT}/static`)) return table;
	const real = inside(PROJECT, "static", `${ROOT}/static`);
	for (const [name] of walk(real)) {
		const from = inside(real, `static/${name}`, path.join(real, name));
		if (!fs.statSync(from).isFile()) continue;
		const body = fs.readFileSync(from), own = overrides[name] ?? {};
		fs.mkdirSync(path.dirname(`${OUT}/static/${name}`), { recursive: true });
		fs.copyFileSync(from, `${OUT}/static/${name}`);
		const tag = crypto.createHash("sha256").update(body).digest("hex").slice(0, 16);
		table.push({ file: name, path: own.path ?? name, type: own.contentType, size: body.length, tag });
	}
	return table;
}

function copyMapped(name, about, from, to) {
	for (const [inner, outer] of Object.entries(about.filePathMap ?? {})) {
		const file = `functions/${name}.func/.vc-config.json`;
		const source = inside(PROJECT, `${file}: filePathMap ${inner}`, path.resolve(PROJECT, outer));
		const target = path.resolve(to, inner);
		if (!target.startsWith(to + "/")) fault(file, "filePathMap", inner, "a path inside the function");
		fs.mkdirSync(path.dirname(target), { recursive: true });
		fs.cpSync(source, target, { recursive: true, dereference: true });
	}
}

// A function of the web's interfaces runs in Node, which has them. Modules of WebAssembly and assets are not given to it.
function edge(file, about) {
	for (const key of ["wasm", "assets"])
		if (Array.isArray(about[key]) && about[key].length) return leaveOut(file, key, "edge functions have neither");
	edges++;
	Object.assign(about, { runtime: "nodejs22.x", launcherType: "Nodejs", handler: about.entrypoint, useWebApi: true, edge: true });
}

// Each middleware must be a function that runs: without it requests would go past a check of rights.
function checkAsked(table) {
	for (const [where, name] of asked) {
		const found = table.find((one) => one.name === name);
		if (!found || found.missing) fault("config.json", where, name, "the name of a function that ebb runs");
	}
}

const NODE_FORMS = "nodejs18.x to nodejs24.x with launcherType Nodejs";

function functionOf(name, known) {
	const file = `functions/${name}.func/.vc-config.json`;
	const real = inside(PROJECT, file, `${ROOT}/functions/${name}.func`);
	if (known.has(real)) return { ...known.get(real), name };
	if (!fs.existsSync(`${real}/.vc-config.json`)) throw new Fault(`${file}: it is not there; allowed: one in each function`);
	const about = readJson(file);
	holds(file, "", about, FUNCTION);
	if (about.runtime === "edge") edge(file, about);
	if (!/^nodejs\d+\.x$/.test(about.runtime ?? "") || about.launcherType !== "Nodejs") {
		if (typeof about.runtime !== "string") fault(file, "runtime", about.runtime, NODE_FORMS);
		leaveOut(file, `runtime ${about.runtime}`, `its paths answer 501 (supported: ${NODE_FORMS})`);
		return { name, missing: about.runtime };
	}
	if (typeof about.handler !== "string" || !about.handler) fault(file, "handler", about.handler, "the path of a file of the function");
	const folder = `f${known.size}`, to = `${OUT}/functions/${folder}`;
	fs.cpSync(real, to, { recursive: true, verbatimSymlinks: true });
	copyMapped(name, about, real, to);
	const handler = path.resolve(to, about.handler);
	if (!handler.startsWith(to + "/") || !fs.existsSync(handler)) fault(file, "handler", about.handler, "the path of a file of the function");
	const found = { name, folder, handler: about.handler, helpers: about.shouldAddHelpers === true, web: about.useWebApi === true,
		edge: about.edge === true,
		environment: about.environment ?? {}, memory: about.memory, maxDuration: about.maxDuration };
	known.set(real, found);
	return found;
}

function prerenderOf(name) {
	const file = `functions/${name}.prerender-config.json`;
	if (!fs.existsSync(path.join(ROOT, file))) return undefined;
	const about = readJson(file);
	holds(file, "", about, PRERENDER);
	const fallback = typeof about.fallback === "string" ? about.fallback : about.fallback?.fsPath;
	let kept;
	if (fallback) {
		const from = inside(PROJECT, `${file}: fallback`, path.resolve(`${ROOT}/functions`, path.dirname(name), fallback));
		kept = `p-${crypto.createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
		fs.mkdirSync(`${OUT}/fallbacks`, { recursive: true });
		fs.copyFileSync(from, `${OUT}/fallbacks/${kept}`);
	}
	return { expiration: about.expiration ?? false, fallback: kept, headers: about.initialHeaders ?? {},
		status: about.initialStatus ?? 200, allowQuery: about.allowQuery, token: about.bypassToken };
}

function functions() {
	const known = new Map(), table = [];
	if (!fs.existsSync(`${ROOT}/functions`)) return table;
	for (const [entry] of walk(`${ROOT}/functions`)) {
		if (!entry.endsWith(".func")) continue;
		const name = entry.slice(0, -".func".length);
		table.push({ ...functionOf(name, known), prerender: prerenderOf(name) });
	}
	return table;
}

// --- the whole ----------------------------------------------------------------------------------------------------
const IMAGES = { sizes: "counts", localPatterns: "list", qualities: "counts", dangerouslyAllowSVG: "boolean" };
const NO_KEYS = { crons: "nothing is called: write them in ebb.json", flags: "they are not shown", services: "only this one is served" };

// Pictures are sent as they are, so their sizes are a matter of the list.
function imagesOf(about) {
	if (about === undefined) return undefined;
	if (!isObject(about)) fault("config.json", "images", about, "an object");
	holds("config.json", "images.", about, IMAGES);
	(about.localPatterns ?? []).forEach((one, i) => {
		const where = `images.localPatterns[${i}]`;
		if (!isObject(one)) fault("config.json", where, one, "an object");
		holds("config.json", where + ".", one, { pathname: "string", search: "string" });
		if (one.pathname) expression("config.json", `${where}.pathname`, one.pathname);
	});
	leaveOut("config.json", "images", "/_vercel/image sends pictures of the build as they are, not smaller; those of other hosts answer 400");
	return about;
}

function wildcardOf(list) {
	(list ?? []).forEach((one, i) => {
		const where = `wildcard[${i}]`;
		if (!isObject(one)) fault("config.json", where, one, 'an object with "domain" and "value"');
		for (const key of ["domain", "value"])
			if (typeof one[key] !== "string") fault("config.json", `${where}.${key}`, one[key], "a string");
	});
	return list;
}

function shared(table) {
	const environment = {};
	for (const one of table)
		for (const [key, value] of Object.entries(one.environment ?? {})) {
			if (environment[key] !== undefined && environment[key] !== value)
				leaveOut(`functions/${one.name}.func/.vc-config.json`, `environment.${key}`, "another function says otherwise, and all share a process");
			environment[key] ??= String(value);
		}
	return environment;
}

function largest(table, key) {
	return Math.max(0, ...table.map((one) => one[key] ?? 0));
}

function main() {
	const config = readJson("config.json");
	if (config.version !== 3) fault("config.json", "version", config.version, "3");
	holds("config.json", "", config, { routes: "list", overrides: "object", wildcard: "list" });
	const routes = config.routes ?? [];
	if (routes.length > ROUTES_MAX) fault("config.json", "the number of routes", routes.length, String(ROUTES_MAX));
	routes.forEach((one, i) => route(one, `routes[${i}]`));
	for (const [key, instead] of Object.entries(NO_KEYS))
		if (config[key] !== undefined && JSON.stringify(config[key]).length > 2) leaveOut("config.json", key, instead);
	const overrides = config.overrides ?? {};
	for (const [name, one] of Object.entries(overrides)) {
		if (!isObject(one)) fault("config.json", `overrides.${name}`, one, "an object");
		holds("config.json", `overrides.${name}.`, one, { path: "string", contentType: "string" });
	}
	const files = statics(overrides), found = functions();
	checkAsked(found);
	if (edges) console.log(`ebb: ${edges} of its functions are for the edge: they run in Node, beside the others`);
	const document = { routes, files, functions: found, environment: shared(found), images: imagesOf(config.images),
		wildcard: wildcardOf(config.wildcard) };
	fs.writeFileSync(`${OUT}/output.json`, JSON.stringify(document));
	const memory = largest(found, "memory"), duration = largest(found, "maxDuration");
	if (memory || duration)
		console.log(`ebb: its functions ask for${memory ? ` "memory": ${memory}` : ""}${duration ? ` "maxDuration": ${duration}` : ""}`);
	if (unsupported.length) console.log("ebb: not supported:\n" + unsupported.map((one) => `  ${one}`).join("\n"));
	if (unsupported.length && STRICT === "strict") throw new Fault("--strict: what is not supported is refused");
}

const PROJECT = fs.realpathSync(APP);
const ROOT = fs.existsSync(`${PROJECT}/.vercel/output/config.json`) ? `${PROJECT}/.vercel/output` : PROJECT;

try {
	main();
} catch (error) {
	if (!(error instanceof Fault) && !error.code) throw error;
	if (unsupported.length && !(error instanceof Fault && STRICT === "strict")) unsupported.length = 0;
	console.error(`ebb: ${error.message}`);
	process.exit(1);
}
