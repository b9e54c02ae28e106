// SPDX-License-Identifier: Apache-2.0
// What tracing does: a store of its own around each request, from a server whose emit it wraps.
import { AsyncLocalStorage } from "node:async_hooks";
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const spans = new AsyncLocalStorage();
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (name, req) {
	if (name !== "request") return Reflect.apply(emit, this, arguments);
	return spans.run({ path: req.url }, () => Reflect.apply(emit, this, arguments));
};

const context = () => globalThis[Symbol.for("@vercel/request-context")].get();
const closed = [];

http.createServer(async (req, res) => {
	const seen = [spans.getStore()?.path];
	res.on("close", () => closed.push([spans.getStore()?.path, context()?.id]));
	await sleep(5);
	seen.push(spans.getStore()?.path);
	const { id } = context();
	res.end(JSON.stringify({ id, seen, closed, peer: req.socket.remoteAddress, port: req.socket.localPort }));
}).listen(process.env.PORT);
