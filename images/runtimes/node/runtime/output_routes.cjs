// SPDX-License-Identifier: Apache-2.0
// The routes of a build output, in the phases of their platform. resolve() is pure: a request and a table in, what to
// do out.
//
//   routes before any handle  ->  check  ->  filesystem routes  ->  resource routes  ->  error routes, with 404
//   check: the file or function of the path, else miss routes, else rewrite routes; a find goes through hit routes
"use strict";
const regex = require("./output_regex.cjs");

const PHASES = ["first", "filesystem", "resource"];
const HOPS_MAX = 32; // of rewrites in one request

function compileCondition(one) {
	const { type, key, value } = one;
	let test = () => true;
	if (typeof value === "string") test = regexTest(value);
	else if (value?.re) test = regexTest(value.re);
	else if (value) test = (text) => COMPARISONS.every(([name, holds]) => value[name] === undefined || holds(text, value[name]));
	return { type, key, test };
}

function regexTest(source) {
	const whole = regex.compile(`^(?:${source})$`);
	return (text) => whole.exec(text) !== null;
}

const COMPARISONS = [
	["eq", (text, value) => text === String(value)],
	["neq", (text, value) => text !== String(value)],
	["inc", (text, value) => value.map(String).includes(text)],
	["ninc", (text, value) => !value.map(String).includes(text)],
	["pre", (text, value) => text.startsWith(value)],
	["suf", (text, value) => text.endsWith(value)],
	["gt", (text, value) => Number(text) > value],
	["gte", (text, value) => Number(text) >= value],
	["lt", (text, value) => Number(text) < value],
	["lte", (text, value) => Number(text) <= value],
];

// {phase: [route]} with compiled expressions.
exports.compile = (routes) => {
	const phases = { first: [], filesystem: [], resource: [], miss: [], rewrite: [], hit: [], error: [] };
	let phase = "first";
	for (const route of routes) {
		if (route.handle) {
			phase = route.handle;
			continue;
		}
		phases[phase].push({ ...route, match: regex.compile(route.src, route.caseSensitive), has: route.has?.map(compileCondition),
			missing: route.missing?.map(compileCondition), methods: route.methods?.map((one) => one.toUpperCase()) });
	}
	return phases;
};

const SOURCES = {
	host: (request) => request.host,
	header: (request, key) => request.headers[key.toLowerCase()],
	cookie: (request, key) => request.cookies[key],
	query: (request, key) => request.query.get(key) ?? undefined,
};

function holds(condition, request) {
	const found = SOURCES[condition.type](request, condition.key);
	return found !== undefined && condition.test(String(found));
}

function applies(route, request) {
	if (route.methods && !route.methods.includes(request.method)) return null;
	if (route.has && !route.has.every((one) => holds(one, request))) return null;
	if (route.missing?.some((one) => holds(one, request))) return null;
	const found = route.match.exec(request.path);
	if (found && request.wildcard !== undefined) found.groups = { ...found.groups, wildcard: request.wildcard };
	return found;
}

// $1, $name and ${name} in a text. Without such a group nothing stands there.
function fill(text, groups) {
	return text.replace(/\$(?:(\d{1,2})|([a-zA-Z_]\w*)|\{([a-zA-Z_]\w*)\})/g,
		(_all, number, name, braced) => (number ? groups[number] : groups.groups[name ?? braced]) ?? "");
}

// Sets the path and adds the parameters of a destination; parameters of the destination win.
function go(request, dest) {
	const [path, search] = dest.split("?", 2);
	request.path = path.startsWith("/") ? path : `/${path}`;
	for (const [key, value] of new URLSearchParams(search ?? "")) request.query.set(key, value);
}

// Goes through the routes of one phase: "next" when none ends it, else {status}, {away}, {ask} or "moved" (a
// destination). ask: a middleware, whose verdict decides whether the routes from `next` on are gone through.
function run(routes, request, answer, atMoved, start = 0) {
	for (let i = start; i < routes.length; i++) {
		const route = routes[i], groups = applies(route, request);
		if (!groups) continue;
		if (route.middlewarePath) return { ask: `/${route.middlewarePath}`, next: i + 1 };
		for (const [key, value] of Object.entries(route.headers ?? {})) answer.headers[key.toLowerCase()] = fill(value, groups);
		if (route.status) answer.status = route.status;
		if (route.dest) {
			const dest = fill(route.dest, groups);
			if (/^https?:\/\//.test(dest)) return { away: dest };
			go(request, dest);
			const found = atMoved(route);
			if (found) return found;
			if (route.check && route.status >= 400) return { status: route.status };
		}
		if (route.continue || (route.dest && route.check)) continue;
		if (route.dest) return "moved";
		if (route.status) return { status: route.status };
		if (!route.headers) return "moved";
	}
	return "next";
}

function resolveError(phases, outputs, request, answer, status) {
	answer.status = status;
	for (const route of phases.error) {
		if (route.status && route.status !== status) continue;
		const groups = applies(route, request);
		if (!groups) continue;
		for (const [key, value] of Object.entries(route.headers ?? {})) answer.headers[key.toLowerCase()] = fill(value, groups);
		const output = route.dest && outputs.get(fill(route.dest, groups).split("?", 1)[0]);
		if (output) return { ...answer, output, matched: route.dest };
		if (!route.continue && route.dest) break;
	}
	return { ...answer, output: outputs.get("/404") && status === 404 ? outputs.get("/404") : null };
}

// request: {method, path, query: URLSearchParams, headers, cookies, host}; its path and query change.
// Returns {output, status, headers, matched} or {away, status, headers}; output null: an error without a page. Or
// {ask, answer, resume}: a middleware is asked first, which may change request and answer, and resume() goes on.
exports.resolve = (phases, outputs, request) => {
	const answer = { status: 0, headers: Object.create(null) };
	let hops = 0;

	const hit = () => {
		const output = outputs.get(request.path);
		if (!output) return null;
		const kept = answer.status, matched = request.path;
		run(phases.hit, request, answer, () => null);
		answer.status = kept;
		return { ...answer, output, matched };
	};
	const check = () => {
		const found = hit();
		if (found || ++hops > HOPS_MAX) return found;
		const missed = run(phases.miss, request, answer, hit);
		if (typeof missed === "object") return missed;
		const rewritten = run(phases.rewrite, request, answer, hit);
		return typeof rewritten === "object" ? rewritten : null;
	};
	const finish = (found) => {
		if (found.output) return found;
		if (found.away) return { ...answer, away: found.away };
		if (answer.headers.location && found.status >= 300 && found.status < 400) return { ...answer, output: null };
		return resolveError(phases, outputs, request, answer, found.status);
	};
	const from = (at, start) => {
		for (const phase of PHASES.slice(at)) {
			const moved = (route) => (route.check || phase !== "first" ? check() : null);
			let found = run(phases[phase], request, answer, moved, start);
			if (found.ask) return { ask: found.ask, answer, resume: () => from(PHASES.indexOf(phase), found.next) };
			if (phase === "first" && typeof found !== "object") found = check();
			if (found && typeof found === "object") return finish(found);
			answer.status = 0;
			start = 0;
		}
		return resolveError(phases, outputs, request, answer, 404);
	};
	return from(0, 0);
};
