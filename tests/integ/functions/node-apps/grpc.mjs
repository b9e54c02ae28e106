// SPDX-License-Identifier: Apache-2.0
// gRPC's messages and trailers by Node's http, which speaks HTTP/1.1: a function behind the gateway has
// to send no more than this to serve gRPC clients. /echo.Echo/Say answers one message; Chat answers each
// message as it comes; Many?N sends N messages of 1 KiB; Fail sends an error in trailers. /sleep, /wait
// and /closed are for the tests.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

let closed = 0;
const message = (data) => {
	const head = Buffer.alloc(5);
	head.writeUInt32BE(data.length, 1);
	return Buffer.concat([head, data]);
};

async function* messages(req) {
	let buffer = Buffer.alloc(0);
	for await (const piece of req) {
		buffer = Buffer.concat([buffer, piece]);
		while (buffer.length >= 5 && buffer.length >= 5 + buffer.readUInt32BE(1)) {
			yield buffer.subarray(5, 5 + buffer.readUInt32BE(1));
			buffer = buffer.subarray(5 + buffer.readUInt32BE(1));
		}
	}
}

function begin(req, res) {
	if (req.headers.te !== "trailers") throw new Error("no te: trailers");
	res.writeHead(200, { "content-type": "application/grpc", trailer: "grpc-status, grpc-message" });
	res.flushHeaders();
}

function end(res, status, text = "") {
	res.addTrailers({ "grpc-status": String(status), "grpc-message": text });
	res.end();
}

const routes = {
	"/echo.Echo/Say": async (req, res) => {
		for await (const one of messages(req)) {
			begin(req, res);
			res.write(message(one));
		}
		end(res, 0);
	},
	"/echo.Echo/Chat": async (req, res) => {
		begin(req, res);
		for await (const one of messages(req)) res.write(message(one));
		end(res, 0);
	},
	"/echo.Echo/Many": async (req, res, query) => {
		begin(req, res);
		const one = message(Buffer.alloc(1024, "x"));
		for (let n = Number(query.get("n")); n > 0; n--)
			if (!res.write(one)) await new Promise((go) => res.once("drain", go));
		end(res, 0);
	},
	"/echo.Echo/Fail": (req, res) => {
		begin(req, res);
		end(res, 5, "not found");
	},
	"/sleep": async (req, res) => {
		await sleep(1000);
		res.end("slept");
	},
	"/wait": (req, res) => {
		res.on("close", () => closed++);
		res.write("begun");
	},
	"/closed": (req, res) => res.end(String(closed)),
};

http.createServer((req, res) => {
	const url = new URL(req.url, "http://localhost");
	routes[url.pathname](req, res, url.searchParams);
}).listen(process.env.PORT);
