// SPDX-License-Identifier: Apache-2.0
// Values of the SDK as octets and words. Octets of data begin with a tag: BYTES is a Uint8Array as it is, JSON anything
// else. Within JSON a Uint8Array is {"__type": "Uint8Array", "data": base64}, as in other Worlds.
"use strict";

const BYTES = 1;
const JSON_TEXT = 2;
const TYPE = "Uint8Array";

// JSON.stringify calls toJSON of a Buffer before a replacer sees it, so the holder is asked.
function replace(key, value) {
	const own = this[key];
	return own instanceof Uint8Array ? { __type: TYPE, data: Buffer.from(own).toString("base64") } : value;
}

function revive(key, value) {
	return value?.__type === TYPE && typeof value.data === "string" ? plainBytes(Buffer.from(value.data, "base64")) : value;
}

// The SDK compares and transfers values, so they are Uint8Arrays with memory of their own.
function plainBytes(buffer) {
	return new Uint8Array(buffer);
}

exports.toJson = (value) => Buffer.from(JSON.stringify(value, replace));
exports.fromJson = (text) => JSON.parse(text, revive);

exports.encode = (value) => {
	if (value === undefined) return Buffer.alloc(0);
	if (value instanceof Uint8Array) return Buffer.concat([Buffer.of(BYTES), value]);
	return Buffer.concat([Buffer.of(JSON_TEXT), exports.toJson(value)]);
};

// base64: of data; undefined if there is none.
exports.decode = (base64) => {
	if (!base64) return undefined;
	const octets = Buffer.from(base64, "base64");
	return octets[0] === BYTES ? plainBytes(octets.subarray(1)) : exports.fromJson(octets.subarray(1).toString());
};

exports.bytes = (base64) => plainBytes(Buffer.from(base64 ?? "", "base64"));

// Words of header fields are printable ASCII; the rest is percent-encoded, and "%" itself.
exports.word = (text) => String(text).replace(/[^\x21-\x24\x26-\x7e]/gu, encodeURIComponent);
exports.unword = (text) => decodeURIComponent(text);

exports.date = (ms) => (ms === undefined || ms === null ? undefined : new Date(ms));
exports.ms = (value) => (value === undefined ? undefined : new Date(value).getTime());
