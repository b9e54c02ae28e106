// SPDX-License-Identifier: Apache-2.0
// A program that handles SIGTERM and rejected promises itself; HOW says in which of the usual ways.
import http from "node:http";

const server = http.createServer((req, res) => {
	if (req.url === "/side") Promise.reject(new Error("work on the side"));
	setTimeout(() => res.end("graceful\n"), Number(new URL(req.url, "http://x").searchParams.get("ms") ?? 20));
});

const close = () => server.close((error) => console.log(error ? `closing failed: ${error.code}` : "closed in peace"));
const ways = {
	close,
	later: () => setTimeout(close, 300),
	says: () => console.log("closed in peace"),
	dispose: () => server[Symbol.asyncDispose]().then(() => console.log("closed in peace"), console.error),
	exit: () => server.close(() => {
		console.log("closed in peace");
		process.exit(0);
	}),
};
process.on("SIGTERM", ways[process.env.HOW]);
process.on("unhandledRejection", (error) => console.log(`seen by the program: ${error.message}`));
server.listen(process.env.PORT);
