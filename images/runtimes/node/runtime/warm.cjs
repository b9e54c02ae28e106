// SPDX-License-Identifier: Apache-2.0
// Makes one request in memory, to a server of its own, as soon as the program's server listens. The code that Node and
// this runtime run for every request is then compiled, and a prewarmed instance is frozen with it. The program's server
// does not see the request.
"use strict";
const http = require("node:http");
const { Duplex } = require("node:stream");

const REQUEST = "GET / HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 127.0.0.1\r\n\r\n";

function memory() {
	return new Duplex({
		read() {},
		write(chunk, encoding, done) {
			done();
		},
	});
}

function answerPlainly(req, res) {
	res.setHeader("content-type", "text/plain");
	res.end("warm\n");
}

exports.up = (answer, adopt, forget) => {
	const server = http.createServer((req, res) => {
		res.on("close", () => {
			socket.destroy();
			forget(server);
		});
		res.sendDate = false; // Node keeps the date with a timer, for which the instance would be thawed
		return (answer ?? answerPlainly)(req, res);
	});
	const socket = memory();
	adopt(server);
	server.emit("connection", socket);
	socket.push(REQUEST);
};
