// SPDX-License-Identifier: Apache-2.0
// Subscribers as people write them: PostgreSQL LISTEN by pg and postgres, Redis pub/sub by two clients, a NATS
// subscriber, an outgoing WebSocket. GET /KIND begins to listen; GET /KIND/seen says which messages came, in their
// order, and when (ms of the wall clock).
import Ioredis from "ioredis";
import { connect, StringCodec } from "nats";
import pg from "pg";
import postgres from "postgres";
import { createClient } from "redis";
import WebSocket from "ws";

const { DATABASE_URL, CACHE_URL, SOCKET_URL, NATS_URL } = process.env;
const seen = [];
const note = (text) => seen.push([Number(text), Date.now()]);

const KINDS = {
	async pg() {
		const client = new pg.Client({ connectionString: DATABASE_URL, keepAlive: true });
		client.on("notification", (message) => note(message.payload));
		await client.connect();
		await client.query("listen pg");
	},
	postgres: () => postgres(DATABASE_URL, { max: 1 }).listen("postgres", note),
	async ioredis() {
		const client = new Ioredis(CACHE_URL);
		client.on("message", (_, text) => note(text));
		await client.subscribe("ioredis");
	},
	async redis() {
		const client = await createClient({ url: CACHE_URL }).connect();
		await client.subscribe("redis", note);
	},
	async nats() {
		const client = await connect({ servers: NATS_URL });
		const codec = StringCodec();
		client.subscribe("messages", { callback: (_, message) => note(codec.decode(message.data)) });
		await client.flush();
	},
	ws: () => new Promise((yes, no) => {
		const socket = new WebSocket(SOCKET_URL);
		socket.on("open", yes).on("error", no).on("message", (data) => note(String(data)));
	}),
};
let listens;

export default {
	async fetch(request) {
		const [, kind, what] = new URL(request.url).pathname.split("/");

		if (what === "seen") return Response.json(seen);
		await (listens ??= KINDS[kind]());
		return new Response("listens\n");
	},
};
