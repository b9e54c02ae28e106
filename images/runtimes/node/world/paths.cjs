// SPDX-License-Identifier: Apache-2.0
// Paths at ebb-flow. An application passes ids and names on as its clients said them, so each part of a path is made
// here, and none leads elsewhere.
"use strict";
const { createHash } = require("node:crypto");
const errors = require("./errors.cjs");

const NAME_MAX = 255;

// Ids that can be there, as docs/internals/workflow-protocol.md says. "." and ".." are the way to other paths.
const RUN = /^[A-Za-z0-9_-]{1,64}$/;
const PART = /^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/;

// The id of a run, step, hook or event as a part of a path. Nothing has an id of another form: that throws what
// ebb-flow would lead to.
exports.id = (kind, value, about) => {
	const text = String(value);
	if ((kind === "run" ? RUN : PART).test(text)) return text;
	const error = `there is no ${kind} ${JSON.stringify(text.slice(0, 200))}`;
	throw errors.ofAnswer({ status: 404, body: { error, code: `${kind}_not_found` } }, about);
};

// The name of a stream as a part of a path; a long one is its hash. ".." is a name too: nothing resolves paths.
exports.segment = (name) => {
	const safe = encodeURIComponent(name).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
	return safe.length <= NAME_MAX ? safe : createHash("sha256").update(name).digest("hex");
};

// Fields without a value are left out.
exports.query = (fields) => {
	const some = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
	return some.length > 0 ? `?${some.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}` : "";
};

exports.BASE = "/api/ebb/workflow/v1";
