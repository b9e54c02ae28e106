// SPDX-License-Identifier: Apache-2.0
// One Hono application, used by hono.mjs (listens) and hono-export.mjs (exports).
import { Hono } from "hono";
import { setTimeout as sleep } from "node:timers/promises";
import { later, never, THROWS } from "./work.mjs";

export const app = new Hono();
app.get("/", (c) => c.text("hello from hono\n"));
app.get("/peer", (c) => c.json({ peer: c.req.header("x-forwarded-for") }));
app.get("/later", (c) => c.json(later(new URLSearchParams(c.req.query()))));
app.get("/sleep", async (c) => {
	await sleep(Number(c.req.query("ms")));
	return c.json({ slept: true });
});
app.get("/throw", async (c) => {
	THROWS[c.req.query("in")]();
	await never();
});
