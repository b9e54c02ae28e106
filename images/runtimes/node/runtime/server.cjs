// SPDX-License-Identifier: Apache-2.0
// The server on $PORT: its listen is led to the inherited socket, and its requests get a Scope.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const ipc = require("./ipc.cjs");
const pressure = require("./pressure.cjs");
const quiet = require("./quiet.cjs");
const scopes = require("./scope.cjs");
const state = require("./state.cjs");
const warm = require("./warm.cjs");

const FIRST_FD = 3;
const BACKLOG = 1024;
const NEVER_MS = 2 ** 31 - 1;
const CHECK = "http.server.connectionsCheckingInterval"; // the symbol of its timer
const PORT = Number(process.env.PORT || 8080);
const kRaw = Symbol("ebb.raw"); // of a connection: the fields of its last request

function takeInherited() {
	const { LISTEN_FDS: count, LISTEN_PID: pid } = process.env;
	for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) delete process.env[name];
	return Number(count) >= 1 && (!pid || Number(pid) === process.pid) ? FIRST_FD : -1;
}

let inherited = takeInherited();

// The port of listen's arguments: (port, ...), ({ port, ... }, ...); undefined for anything else.
function portOf(args) {
	const first = args[0];
	const port = first !== null && typeof first === "object" && first.fd === undefined &&
		!first.path && !first._handle ? first.port : first;
	return typeof port === "number" || (typeof port === "string" && /^\d+$/.test(port)) ?
		Number(port) : undefined;
}

// Only the gateway ends idle connections: if the server ended them too, it could close one on which a request is
// coming. Node's check for slow clients would also wake a frozen instance twice a minute.
function leaveTimeoutsToTheFront(server) {
	if (!(server instanceof http.Server)) return;
	server.connectionsCheckingInterval = NEVER_MS;
	server.once("listening", () => {
		const check = Object.getOwnPropertySymbols(server).find((s) => s.description === CHECK);
		if (check) quiet.clear(server[check]);
	});
	for (const name of ["timeout", "keepAliveTimeout", "requestTimeout", "headersTimeout"])
		Object.defineProperty(server, name, { get: () => 0, set() {}, configurable: true });
}

// The last line tells `ebb build` that the program began to listen.
function endOfBake() {
	fs.writeSync(2, "\nebb: baked\n");
	process.exit(0);
}

function adopt(server) {
	state.servers.add(server);
	leaveTimeoutsToTheFront(server);
	server.once("listening", () => {
		state.serving = true;
		if (process.env.EBB_BAKE) return setImmediate(() => warmUp(endOfBake));
		ipc.started(PORT);
		setImmediate(() => warmUp(() => {}));
	});
	server.once("close", () => state.servers.delete(server));
}

// Runs the code of every request once, before the first request.
function warmUp(done) {
	warm.up(state.answerWarm, (server) => state.servers.add(server), (server) => {
		state.servers.delete(server);
		done();
	});
}

// Programs print and compare server.address(), and expect the address that they asked for.
function lookLikeTcp(server) {
	server.address = () => ({ address: "0.0.0.0", family: "IPv4", port: PORT });
}

function patchListen() {
	const listen = net.Server.prototype.listen;
	net.Server.prototype.listen = function (...args) {
		const port = portOf(args);
		if (port !== PORT || state.servers.size > 0) {
			if (port && !state.servers.size)
				console.error(`ebb: a server listens on ${port}; requests come to $PORT, ${PORT}`);
			return Reflect.apply(listen, this, args);
		}
		adopt(this);
		if (inherited < 0) return Reflect.apply(listen, this, args);
		const fd = inherited;
		inherited = -1;
		lookLikeTcp(this);
		const callback = args.findLast((arg) => typeof arg === "function");
		return Reflect.apply(listen, this, [{ fd, backlog: BACKLOG }, ...(callback ? [callback] : [])]);
	};
}

function addressOf(socket) {
	return scopes.fieldOf(socket[kRaw], "x-forwarded-for")?.split(",", 1)[0].trim() || "127.0.0.1";
}

// Connections from the gateway have the address of the client that it names: a unix socket has none, and programs log
// it. remoteAddress and the like ask these two methods, which are those of all connections: with properties of its own
// each connection would be of a kind of its own for V8, and all code that uses connections slow.
function nameClients() {
	const { _getpeername: peer, _getsockname: local } = net.Socket.prototype;
	net.Socket.prototype._getpeername = function () {
		if (!this[kRaw]) return Reflect.apply(peer, this, arguments);
		const address = addressOf(this);
		return { address, family: net.isIPv6(address) ? "IPv6" : "IPv4", port: 0 };
	};
	net.Socket.prototype._getsockname = function () {
		return this[kRaw] ? { address: "127.0.0.1", family: "IPv4", port: PORT } : Reflect.apply(local, this, arguments);
	};
}

// Contract with the gateway: this request was not started here, so another instance may take it.
const NACK = { "x-ebb-nack": "1", "content-length": "0" };

function nack(res, socket) {
	if (!res) {
		socket.end("HTTP/1.1 503 Service Unavailable\r\nx-ebb-nack: 1\r\ncontent-length: 0\r\n\r\n");
		return;
	}
	if (state.stopping) res.shouldKeepAlive = false;
	socket[scopes.kSent] = undefined;
	res.writeHead(503, NACK);
	res.end();
}

function bindUpgrade(scope, socket, head) {
	const emit = socket.emit;
	socket.emit = (...args) => scopes.enter(scope, emit, socket, args);
	socket.once("close", () => scope.responseOver());
	scope.upgrade = () => ({ req: scope.req, socket, head });
}

// Handles the event 'request', 'upgrade' or the like of a server on $PORT.
function serve(server, emit, args) {
	const [name, req, second] = args;
	const upgraded = name === "upgrade" || name === "connect";
	const res = upgraded ? null : second;
	if (state.stopping || state.retiring || pressure.reason()) {
		nack(res, req.socket);
		return true;
	}
	req.socket[kRaw] = req.rawHeaders;
	const scope = new scopes.Scope(req, res);
	req[scopes.kScope] = scope;
	if (res) {
		res[scopes.kScope] = scope;
		res.sendDate = false; // the gateway's clock dates it; Node's is a timer
	}
	if (!res) bindUpgrade(scope, second, args[3]);
	return scopes.enter(scope, emit, server, args);
}

const REQUESTS = new Set(["request", "checkContinue", "checkExpectation", "upgrade", "connect"]);

exports.install = () => {
	const emit = http.Server.prototype.emit;
	http.Server.prototype.emit = function (name, req) {
		if (!REQUESTS.has(name) || !state.servers.has(this) || req?.[scopes.kScope])
			return Reflect.apply(emit, this, arguments);
		return serve(this, emit, arguments);
	};
	nameClients();
	patchListen();
};

exports.PORT = PORT;
