// SPDX-License-Identifier: Apache-2.0
// /_vercel/image of a build output: pictures of the output itself. They are checked as their platform checks them, and
// sent as they are: nothing is made smaller here.
"use strict";
const PLACE = "/_vercel/image";
const QUALITY_MAX = 100;

// The regular expressions are compiled by the caller's function, and matched in linear time.
exports.compile = (images, compile) => images && {
	sizes: images.sizes ?? [], svg: images.dangerouslyAllowSVG === true, qualities: images.qualities,
	patterns: images.localPatterns?.map(({ pathname, search }) => ({ path: pathname && compile(pathname), search })),
};

function number(text) {
	return /^\d{1,5}$/.test(text ?? "") ? Number(text) : NaN;
}

function isAllowed(images, path, search) {
	if (!images.patterns) return true;
	return images.patterns.some((one) => (!one.path || one.path.exec(path)) && (one.search === undefined || one.search === search));
}

// Null: the request is for something else. {refused}: it is none that is answered. Else {url} of the picture.
exports.asked = (images, request) => {
	if (!images || request.path !== PLACE) return null;
	const url = request.query.get("url") ?? "", quality = number(request.query.get("q"));
	const [path, search] = url.split("?", 2);
	const refused = !images.sizes.includes(number(request.query.get("w"))) || !(quality >= 1 && quality <= QUALITY_MAX) ||
		(images.qualities && !images.qualities.includes(quality)) ||
		!url.startsWith("/") || /^\/[/\\]|[^\x21-\x7e]/.test(url) || path === PLACE || // other hosts are not asked
		!isAllowed(images, path, search === undefined ? "" : `?${search}`);
	return refused ? { refused } : { url };
};

exports.HEADERS = { "content-security-policy": "script-src 'none'; frame-src 'none'; sandbox;" };

// Whether what was found is a file that is sent as a picture.
exports.fits = (images, file, typeOf) => {
	const type = file ? typeOf(file) : "";
	return type.startsWith("image/") && (images.svg || !type.startsWith("image/svg"));
};
