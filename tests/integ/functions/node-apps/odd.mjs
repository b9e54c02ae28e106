// SPDX-License-Identifier: Apache-2.0
// Wrong or rare deeds of programs: each path is one of them.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { waitUntil } from "@vercel/functions";

const context = () => globalThis[Symbol.for("@vercel/request-context")].get();
const fail = () => {
	throw new Error("thrown on purpose");
};

const routes = {
	"/": (req, res) => res.end("odd\n"),
	// --- 500 each ---
	"/microtask": () => queueMicrotask(fail),
	"/null": () => {
		throw null;
	},
	"/shy": () => {
		throw Object.assign(new Error(), { [inspect.custom]: fail });
	},
	"/proxy": () => {
		throw new Proxy({}, { get: fail });
	},
	"/patched": (req, res) => {
		res.writeHead = res.end = fail;
		fail();
	},
	"/head": (req, res) => {
		res.writeHead(204, "Nothing", { "x-kept": "no" });
		fail();
	},
	// --- answers without their end ---
	"/short": (req, res) => res.writeHead(200, { "content-length": 10 }).end("abc"),
	"/begun": (req, res) => {
		res.write("begun");
		fail();
	},
	// --- whole answers ---
	"/whole": (req, res) => {
		res.end("w".repeat(20_000_000));
		setTimeout(fail, 1);
	},
	// --- lines ---
	"/last-words": () => {
		process.stdout.write("last words");
		process.exit(3);
	},
	"/late-words": (req, res) => {
		res.end();
		setTimeout(() => process.stdout.write("late words"), 20);
	},
	// --- a client that goes away ---
	"/gone": (req, res) => {
		const { signal } = context();
		signal.addEventListener("abort", () => {
			console.log("aborted");
			waitUntil(sleep(1000).then(() => console.log("tidied up")));
		});
	},
	"/gone-late": (req, res) => {
		const found = context();
		res.on("close", () => setTimeout(() => console.log("late signal:", found.signal.aborted), 10));
	},
};

http.createServer((req, res) => (routes[req.url] ?? routes["/"])(req, res)).listen(process.env.PORT);
