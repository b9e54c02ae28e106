// SPDX-License-Identifier: Apache-2.0
// The routes that @vercel/routing-utils makes of a file, walked with JavaScript's own expressions.
//
// usage: node oracle.mjs MODULES < {"site": {...}, "host": "...", "headers": {...}, "paths": [...]}, prints an outcome per line
// as rules_run does; or {"sources": [...]}: for each whether routing-utils takes it.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { getTransformedRoutes } = createRequire(process.argv[2] + "/")("@vercel/routing-utils");
const asked = JSON.parse(readFileSync(0, "utf8"));

function routes(rules) {
	const { cleanUrls, trailingSlash, redirects, headers, rewrites } = rules;
	const made = getTransformedRoutes(structuredClone({ cleanUrls, trailingSlash, redirects, headers, rewrites }));
	if (made.error) throw new Error(made.error.message);
	return (made.routes || []).filter((r) => !r.handle).map((r) => ({ ...r, re: new RegExp(r.src) }));
}

// What a condition looks at.
function subject(item, request) {
	const query = new URLSearchParams(request.query);
	const cookies = Object.fromEntries((asked.headers.cookie || "").split(";").map((c) => c.trim().split("=")));
	switch (item.type) {
	case "host": return asked.host;
	case "header": return asked.headers[item.key.toLowerCase()];
	case "cookie": return cookies[item.key];
	default: return query.get(item.key) ?? undefined;
	}
}

function holds(item, request, found) {
	const value = subject(item, request);
	if (value === undefined) return false;
	if (item.value === undefined) {
		found[item.key] = value;
		return true;
	}
	if (typeof item.value === "string" || item.value.re) {
		const m = new RegExp(`^(?:${item.value.re || item.value})$`).exec(value);
		if (m && item.type === "host") found.host = value;
		Object.assign(found, m?.groups);
		return m !== null;
	}
	const { eq, neq, inc, ninc, pre, suf, gt, gte, lt, lte } = item.value;
	return (eq === undefined || String(eq) === value) && (neq === undefined || neq !== value)
		&& (!inc || inc.includes(value)) && (!ninc || !ninc.includes(value))
		&& (pre === undefined || value.startsWith(pre)) && (suf === undefined || value.endsWith(suf))
		&& (gt === undefined || Number(value) > gt) && (gte === undefined || Number(value) >= gte)
		&& (lt === undefined || Number(value) < lt) && (lte === undefined || Number(value) <= lte);
}

function match(route, path, request) {
	const found = {};
	const m = route.re.exec(path);
	if (!m || !(route.has || []).every((i) => holds(i, request, found))) return null;
	if ((route.missing || []).some((i) => holds(i, request, {}))) return null;
	return (text) => text.replace(/\$([1-9][0-9]?|[a-zA-Z_][a-zA-Z0-9_]*)/g, (whole, name) =>
		name in found ? found[name] : /^[0-9]+$/.test(name) ? (m[Number(name)] ?? "") : whole);
}

function place(template, expand, query) {
	let text = expand(template);
	if (template.startsWith("/") && !template.startsWith("//")) text = text.replace(/^\/+/, "/");
	if (!query) return text;
	const [rest, ...hash] = text.split("#");
	return rest + (rest.includes("?") ? "&" : "?") + query + (hash.length ? "#" + hash.join("#") : "");
}

function walk(rules, request) {
	const out = { outcome: "pass", status: 0, service: null, to: "", fields: "" };
	const leads = rules.some((r) => r.destination);
	let path = request.path, exempt = false;
	for (const route of rules) {
		const redirects = route.status && route.headers?.Location;
		if (redirects && exempt) continue;
		const expand = match(route, path, request);
		if (!expand) continue;
		if (redirects)
			return { ...out, outcome: "redirect", status: route.status, to: place(route.headers.Location, expand, request.query) };
		if (route.continue) {
			for (const [key, value] of Object.entries(route.headers)) out.fields += `${expand(key)}: ${expand(value)}\r\n`;
		} else if (route.destination) {
			return { ...out, outcome: "service", service: route.destination.service };
		} else if (route.dest) {
			if (/^https?:/.test(route.dest)) return { ...out, outcome: "nowhere", to: "" };
			out.to = place(route.dest, expand, request.query);
			path = out.to.split("?")[0];
			if (!leads) return out;
		} else {
			exempt = true;
		}
	}
	return out;
}

if (asked.sources) {
	for (const source of asked.sources) {
		const made = getTransformedRoutes({ redirects: [{ source, destination: "/" }] });
		console.log(made.error ? "refused" : made.routes[0].src);
	}
} else {
	const rules = routes(asked.site);
	for (const line of asked.paths) {
		const [path, query] = line.split("?");
		console.log(JSON.stringify(walk(rules, { path, query: query || "" })));
	}
}
