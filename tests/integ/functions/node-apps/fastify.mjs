// SPDX-License-Identifier: Apache-2.0
import Fastify from "fastify";
import { setTimeout as sleep } from "node:timers/promises";
import { later, never, THROWS } from "./work.mjs";

const app = Fastify();
app.get("/", async () => "hello from fastify\n");
app.get("/peer", async (request) => ({ peer: request.ip }));
app.get("/later", async (request) => later(new URLSearchParams(request.query)));
app.get("/sleep", async (request) => {
	await sleep(Number(request.query.ms));
	return { slept: true };
});
app.get("/throw", async (request) => {
	THROWS[request.query.in]();
	await never();
});
await app.listen({ port: Number(process.env.PORT), host: "0.0.0.0" });
