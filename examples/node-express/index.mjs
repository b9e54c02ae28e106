// SPDX-License-Identifier: Apache-2.0
// An ordinary Express server; nothing in it knows of ebb.
import express from "express";

const app = express();
const port = Number(process.env.PORT || 8080);

app.get("/", (req, res) => {
	res.type("text/plain").send("hello from node\n");
});

// Waits without using the CPU: many at once.
app.get("/sleep", (req, res) => {
	const ms = Number(req.query.ms || 0);
	setTimeout(() => res.json({ slept_ms: ms }), ms);
});

// Uses the CPU, and answers with the CPU time that the process measured.
app.get("/burn", (req, res) => {
	const before = process.cpuUsage();
	const used = () => Object.values(process.cpuUsage(before)).reduce((a, b) => a + b);
	while (used() < Number(req.query.ms || 0) * 1000);
	res.json({ cpu_us: used() });
});

app.post("/echo", (req, res) => {
	res.type(req.get("content-type") || "application/octet-stream");
	req.pipe(res);
});

app.get("/size", (req, res) => {
	const block = Buffer.alloc(65536, "x");
	let left = Number(req.query.bytes || 0);
	const more = () => {
		while (left > 0) {
			const n = Math.min(left, block.length);
			left -= n;
			if (!res.write(block.subarray(0, n))) return res.once("drain", more);
		}
		res.end();
	};
	res.type("application/octet-stream").set("content-length", String(left));
	more();
});

app.listen(port);
