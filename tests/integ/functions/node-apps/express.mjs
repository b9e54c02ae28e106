// SPDX-License-Identifier: Apache-2.0
import express from "express";
import { later, never, THROWS } from "./work.mjs";

const app = express();
app.get("/", (req, res) => res.send("hello from express\n"));
app.get("/peer", (req, res) => res.json({ peer: req.ip }));
app.get("/later", (req, res) => res.json(later(new URLSearchParams(req.query))));
app.get("/sleep", (req, res) => setTimeout(() => res.json({ slept: true }), Number(req.query.ms)));
app.get("/throw", async (req) => {
	THROWS[req.query.in]();
	await never();
});
app.listen(process.env.PORT);
