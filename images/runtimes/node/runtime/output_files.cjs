// SPDX-License-Identifier: Apache-2.0
// Static files of a build output. A path finds its file in the table of the build, so no name from outside is opened.
"use strict";
const fs = require("node:fs");
const { pipeline } = require("node:stream");

const TYPES = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8",
	mjs: "text/javascript; charset=utf-8", json: "application/json; charset=utf-8", txt: "text/plain; charset=utf-8",
	xml: "text/xml; charset=utf-8", svg: "image/svg+xml", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg",
	gif: "image/gif", webp: "image/webp", avif: "image/avif", ico: "image/x-icon", woff: "font/woff", woff2: "font/woff2",
	ttf: "font/ttf", otf: "font/otf", wasm: "application/wasm", pdf: "application/pdf", mp4: "video/mp4",
	webm: "video/webm", mp3: "audio/mpeg", webmanifest: "application/manifest+json", map: "application/json" };
const FRESH = "public, max-age=0, must-revalidate";

const typeOf = exports.typeOf = (file) => {
	const name = file.type ?? file.path;
	if (file.type) return file.type;
	return TYPES[file.file.slice(file.file.lastIndexOf(".") + 1).toLowerCase()] ?? TYPES[name.slice(name.lastIndexOf(".") + 1)] ??
		"application/octet-stream";
};

function isKnown(req, tag) {
	const asked = req.headers["if-none-match"];
	return asked !== undefined && (asked === "*" || asked.split(",").some((one) => one.trim().replace(/^W\//, "") === tag));
}

// {start, end} of the one range that was asked for; null: the whole; undefined: none of it is there.
function rangeOf(req, size, tag) {
	const found = /^bytes=(\d*)-(\d*)$/.exec(req.headers.range ?? "");
	if (!found || (!found[1] && !found[2]) || (req.headers["if-range"] && req.headers["if-range"] !== tag)) return null;
	const start = found[1] ? Number(found[1]) : Math.max(0, size - Number(found[2]));
	const end = found[1] && found[2] ? Math.min(Number(found[2]), size - 1) : size - 1;
	return start > end || start >= size ? undefined : { start, end };
}

exports.send = (root, file, req, res, status, headers) => {
	const tag = `"${file.tag}"`;
	const all = { "content-type": typeOf(file), "cache-control": FRESH, "accept-ranges": "bytes", etag: tag, ...headers };
	const reading = req.method === "GET" || req.method === "HEAD";
	if (!reading && status === 200) {
		res.writeHead(405, { allow: "GET, HEAD", "content-length": 0 });
		return res.end();
	}
	if (status === 200 && isKnown(req, tag)) {
		delete all["content-type"];
		res.writeHead(304, all);
		return res.end();
	}
	const range = status === 200 ? rangeOf(req, file.size, tag) : null;
	if (range === undefined) {
		res.writeHead(416, { "content-range": `bytes */${file.size}`, "content-length": 0 });
		return res.end();
	}
	if (range) all["content-range"] = `bytes ${range.start}-${range.end}/${file.size}`;
	all["content-length"] = range ? range.end - range.start + 1 : file.size;
	res.writeHead(range ? 206 : status, all);
	if (req.method === "HEAD" || all["content-length"] === 0) return res.end();
	pipeline(fs.createReadStream(`${root}/static/${file.file}`, range ?? {}), res, () => {});
};
