// SPDX-License-Identifier: Apache-2.0
// Drivers of npm, each as its guide uses it: GET /NAME does some work on the server behind it and says what came back.
// Pools and clients live as long as the program.
import grpc from "@grpc/grpc-js";
import Ioredis from "ioredis";
import { createClient } from "redis";
import { Agent, request as undiciRequest } from "undici";
import * as pools from "./pools.mjs";

const { CACHE_URL, API_URL, GRPC_TARGET } = process.env;
const made = new Map();

// Made at the first request that wants it.
function once(name, make) {
	if (!made.has(name)) made.set(name, make());
	return made.get(name);
}

async function ioredis() {
	const redis = once("ioredis", () => new Ioredis(CACHE_URL, { lazyConnect: true }).on("error", () => {}));
	const [[, count]] = await redis.pipeline().incr("ioredis").expire("ioredis", 3600).exec();

	return { count, connection: await redis.client("ID"), big: (await redis.echo("x".repeat(100000))).length };
}

async function redis() {
	const client = await once("redis", () => createClient({ url: CACHE_URL }).on("error", () => {}).connect());
	const [count] = await client.multi().incr("redis").expire("redis", 3600).exec();

	return { count, connection: await client.sendCommand(["CLIENT", "ID"]), big: (await client.echo("x".repeat(100000))).length };
}

async function fetched() {
	const answer = await fetch(`${API_URL}/hello`);

	return { status: answer.status, text: await answer.text() };
}

async function undici() {
	const dispatcher = once("undici", () => new Agent({ keepAliveTimeout: 60000 }));
	const { statusCode, body } = await undiciRequest(`${API_URL}/hello`, { dispatcher });

	return { status: statusCode, text: await body.text() };
}

function call() {
	const same = (data) => data;
	const client = once("grpc", () => new grpc.Client(GRPC_TARGET, grpc.credentials.createInsecure()));
	const deadline = Date.now() + 20000;

	return new Promise((yes, no) => client.makeUnaryRequest("/test.Echo/Say", same, same, Buffer.from("hello by gRPC"),
		new grpc.Metadata(), { deadline }, (error, data) => (error ? no(error) : yes({ text: String(data) }))));
}

const KINDS = { pg: pools.pg, postgres: pools.postgres, ioredis, redis, fetch: fetched, undici, grpc: call };

export default {
	async fetch(request) {
		try {
			return Response.json(await KINDS[new URL(request.url).pathname.slice(1)]());
		} catch (error) {
			return Response.json({ error: String(error.code ?? error.cause?.code ?? error) }, { status: 502 });
		}
	},
};
