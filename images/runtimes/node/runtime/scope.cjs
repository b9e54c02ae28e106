// SPDX-License-Identifier: Apache-2.0
// A Scope is one request, from its head to the end of its work. AsyncLocalStorage leads to the Scope from all code that
// runs because of the request.
"use strict";
const { AsyncLocalStorage } = require("node:async_hooks");
const http = require("node:http");
const Chain = require("./chain.cjs");
const quiet = require("./quiet.cjs");
const ipc = require("./ipc.cjs");

const storage = new AsyncLocalStorage();
const kScope = Symbol("ebb.scope");
const kSent = Symbol("ebb.sent"); // of a connection: bytes that were written when its last response was sent
const open = new Chain(); // scopes whose response or waitUntil work is not over
const TIMER_MAX_MS = 2 ** 31 - 1;

// A field that the gateway writes, so its name is in lower case and comes once. req.headers would make an object of
// all fields, and many programs never read it. undefined: there is none.
function fieldOf(raw, name) {
	for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) return raw[i + 1];
	return undefined;
}

class Scope {
	#id = null;
	#deadline = null;

	constructor(req, res) {
		this.req = req;
		this.res = res; // null: an upgraded connection
		this.sentBefore = req.socket[kSent] ?? req.socket.bytesWritten;
		this.work = 0; // waitUntil promises that have not settled
		this.held = false;
		this.over = false; // the response has been sent, or its connection is gone
		this.failed = false;
		this.gone = null; // the reason why the signal is aborted
		this.cut = false;
		this.timer = null;
		this.controller = null;
		this.context = null;
		this.upgrade = null;
		this.partial = [null, null]; // lines of stdout and stderr that have begun
		this.flushing = null;
		this.onEnd = null;
		Chain.prepare(this);
		open.add(this);
	}

	get id() {
		return (this.#id ??= fieldOf(this.req.rawHeaders, "x-ebb-id") ?? "");
	}

	// Milliseconds since 1970, or undefined.
	get deadline() {
		this.#deadline ??= Number(fieldOf(this.req.rawHeaders, "x-ebb-deadline")) || 0;
		return this.#deadline || undefined;
	}

	get url() {
		const headers = this.req.headers;
		const host = headers["x-forwarded-host"] || headers.host || "localhost";
		const path = this.req.originalUrl || this.req.url;
		if (!path.startsWith("/") && path !== "*") return path;
		return `${headers["x-forwarded-proto"] || "http"}://${host}${path === "*" ? "/*" : path}`;
	}

	// Aborted when the client has gone, the deadline has passed or the request has failed.
	get signal() {
		if (!this.controller) {
			this.controller = new AbortController();
			if (this.gone) this.controller.abort(this.gone);
			else if (!this.over) this.watchDeadline();
		}
		return this.controller.signal;
	}

	watchDeadline() {
		if (this.timer || !this.deadline) return;
		const left = Math.min(Math.max(this.deadline - Date.now(), 0), TIMER_MAX_MS);
		this.timer = setTimeout(() => storage.run(this, () => this.atDeadline()), left);
		this.timer.unref();
	}

	atDeadline() {
		this.timer = null;
		this.abort(new DOMException("maxDuration is over", "TimeoutError"));
		if (this.work === 0) return;
		const error = `waitUntil: cut at the deadline with ${this.work} not settled`;
		console.error(`ebb: ${error}`);
		this.cut = true;
		this.work = 0;
		this.release({ message: error });
		this.settle();
	}

	// Part of @vercel/functions' contract: the instance stays awake until the promise settles.
	waitUntil(promise) {
		if (this.cut) {
			console.error("ebb: waitUntil: after the deadline, ignored");
			return;
		}
		this.work++;
		open.add(this);
		if (!this.held) {
			this.held = true;
			if (this.id) ipc.hold(this.id, this.deadline);
			this.watchDeadline();
		}
		const done = () => {
			if (this.cut || --this.work > 0 || !this.over) return;
			this.release(null);
			this.settle();
		};
		Promise.resolve(promise).then(done, (error) => {
			storage.run(this, () => console.error("ebb: waitUntil:", error));
			done();
		});
	}

	release(error) {
		if (this.held && this.id) ipc.end(this.id, error);
		this.held = false;
	}

	// Listeners of the signal run in the context of the request.
	abort(reason) {
		this.gone ??= reason;
		if (this.controller) storage.run(this, () => this.controller.abort(reason));
	}

	// Cuts the connection of a body that is shorter than its content-length: the client would wait for the rest
	// until maxDuration.
	checkLength() {
		const { _contentLength: length, _hasBody: hasBody, _header: head, socket } = this.res;
		if (!socket) return;
		socket[kSent] = socket.bytesWritten;
		if (!hasBody || !length) return;
		const missing = head.length + length - (socket[kSent] - this.sentBefore);
		if (!(missing > 0)) return;
		storage.run(this, () => console.error(`ebb: the answer to request ${this.id} is cut off: ` +
			`${missing} of the ${length} bytes of its content-length were not sent`));
		socket.destroy();
	}

	// The response has been sent, or its connection is gone.
	responseOver() {
		if (this.over) return;
		this.over = true;
		if (this.res && !this.res.writableFinished)
			this.abort(new DOMException("the client has gone", "AbortError"));
		if (this.work === 0) this.release(null);
		this.settle();
	}

	settle() {
		if (!this.over || this.work > 0) return;
		if (this.timer) quiet.clear(this.timer); // nothing may wake a frozen instance for no reason
		this.timer = null;
		open.delete(this);
		if (open.size === 0) quiet.soon();
		this.onEnd?.();
		exports.onIdle?.();
	}

	// What globalThis[Symbol.for("@vercel/request-context")].get() returns.
	describe() {
		const scope = this;
		this.context ??= {
			id: this.id,
			headers: this.req.headers,
			url: this.url,
			deadline: this.deadline,
			waitUntil: (promise) => scope.waitUntil(promise),
			get signal() {
				return scope.signal;
			},
			...(this.upgrade && { upgradeWebSocket: this.upgrade }),
		};
		return this.context;
	}
}

function guarded(scope, call, self, args) {
	try {
		return Reflect.apply(call, self, args);
	} catch (error) {
		exports.onError(scope, error);
		return true;
	}
}

// Calls a function in the context of a request. An error that it throws fails that request.
function enter(scope, call, self, args) {
	return storage.run(scope, guarded, scope, call, self, args);
}

// Listeners that Node itself has on each request or response. They need no context.
const NODES_OWN = { __proto__: null, finish: 1 };

// Whether an emit runs code of the program. An error without a listener is thrown.
function concernsProgram(emitter, name) {
	return name === "error" || emitter.listenerCount(name) > (NODES_OWN[name] ?? 0);
}

// Events of a request come from its connection, which has no request's context. They are led back to the Scope here.
function emitInScope(emit, emitter, name, args) {
	const scope = emitter[kScope];
	if (!scope || !concernsProgram(emitter, name) || storage.getStore() === scope)
		return Reflect.apply(emit, emitter, args);
	return enter(scope, emit, emitter, args);
}

function bindRequests() {
	const emit = http.IncomingMessage.prototype.emit;
	http.IncomingMessage.prototype.emit = function (name) {
		return emitInScope(emit, this, name, arguments);
	};
}

function bindResponses() {
	const emit = http.ServerResponse.prototype.emit;
	http.ServerResponse.prototype.emit = function (name) {
		if (name === "finish") this[kScope]?.checkLength();
		if (name !== "close") return emitInScope(emit, this, name, arguments);
		try {
			return emitInScope(emit, this, name, arguments);
		} finally {
			this[kScope]?.responseOver();
		}
	};
}

// Node loses the context of a microtask of queueMicrotask that throws, so the microtask is run by enter.
function bindMicrotasks() {
	const queue = globalThis.queueMicrotask;
	globalThis.queueMicrotask = function queueMicrotask(call) {
		const scope = storage.getStore();
		queue(scope && typeof call === "function" ? () => void enter(scope, call, undefined, []) : call);
	};
}

exports.current = () => storage.getStore();
exports.run = (scope, call) => storage.run(scope, call);
exports.enter = enter;
exports.fieldOf = fieldOf;
exports.kSent = kSent;
exports.onError = null; // set by errors.cjs
exports.open = open;
exports.onIdle = null;
exports.Scope = Scope;
exports.kScope = kScope;

exports.install = () => {
	bindRequests();
	bindResponses();
	bindMicrotasks();
	globalThis[Symbol.for("@vercel/request-context")] = {
		get: () => storage.getStore()?.describe(),
	};
	globalThis[Symbol.for("@vercel/rusty-runtime-ipc")] = { sendMetric: ipc.metric };
};
