// SPDX-License-Identifier: Apache-2.0
// Middleware of a build output: a function of web requests that is asked before the routes behind it. Fields of its
// answer say how a request goes on: x-middleware-next, x-middleware-rewrite, x-middleware-override-headers.
"use strict";

const OWN = /^x-middleware-/;

// The fields that the middleware gives the function: those that it lists, and no others.
function overrideHeaders(response, req, request) {
	const listed = response.headers.get("x-middleware-override-headers");
	if (listed === null) return;
	const headers = Object.create(null);
	for (const name of listed.split(",").map((one) => one.trim().toLowerCase())) {
		const value = response.headers.get(`x-middleware-request-${name}`);
		if (name && value !== null) headers[name] = value;
	}
	for (const name of Object.keys(req.headers)) if (!(name in headers)) delete req.headers[name];
	Object.assign(req.headers, headers);
	req.rawHeaders = Object.entries(req.headers).flat();
	request.headers = req.headers;
}

function keepHeaders(response, answer) {
	for (const [name, value] of response.headers) if (!OWN.test(name) && name !== "set-cookie") answer.headers[name] = value;
	const cookies = response.headers.getSetCookie();
	if (cookies.length) answer.headers["set-cookie"] = cookies;
}

// Sends the request elsewhere. Returns an address of another host, to which no request goes.
function rewrite(target, request, url) {
	const to = new URL(target, url);
	if (to.host !== new URL(url).host) return to.href;
	request.path = decodeURIComponent(to.pathname);
	request.original = to.pathname;
	request.query = to.searchParams;
	return null;
}

// Does what the answer of a middleware says. null: the routes go on; {response}: that is the answer; {away}.
exports.apply = (response, req, request, answer, url) => {
	const target = response.headers.get("x-middleware-rewrite");
	if (target === null && response.headers.get("x-middleware-next") === null) return { response };
	keepHeaders(response, answer);
	overrideHeaders(response, req, request);
	const away = target === null ? null : rewrite(target, request, url);
	return away === null ? null : { away };
};
