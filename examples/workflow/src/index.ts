// SPDX-License-Identifier: Apache-2.0
import { Hono } from "hono";
import { getRun, resumeHook, start } from "workflow/api";
import { order } from "../workflows/order";

const app = new Hono();

app.post("/orders/:id", async (c) => {
	const run = await start(order, [c.req.param("id"), 1995]);
	return c.json({ run: run.runId });
});
app.post("/orders/:id/approve", async (c) => {
	await resumeHook(`approve-${c.req.param("id")}`, { by: "you", yes: true });
	return c.text("ok\n");
});
app.get("/runs/:run", async (c) => {
	const run = getRun(c.req.param("run"));
	const status = await run.status;
	return c.json({ status, result: status === "completed" ? await run.returnValue : undefined });
});
app.get("/runs/:run/lines", (c) => {
	const lines = getRun(c.req.param("run")).getReadable<string>();
	return new Response(lines.pipeThrough(new TextEncoderStream()));
});

export default app;
