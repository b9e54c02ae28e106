// SPDX-License-Identifier: Apache-2.0
// Connection pools to PostgreSQL, as the guides of npm's pg and postgres make them. Started as a program it listens on
// $PORT itself: GET /pg and /postgres, so that the same file runs under ebb and plainly.
import http from "node:http";
import { fileURLToPath } from "node:url";
import driver from "pg";
import postgresJs from "postgres";

const { DATABASE_URL, KEEP_ALIVE_MS = "10000" } = process.env;
const QUERY = "select pg_backend_pid() as connection, (select count(*)::int from generate_series(1, 1000)) as count";
let pool, sql;

export async function pg() {
	pool ??= new driver.Pool({ connectionString: DATABASE_URL, max: 4, idleTimeoutMillis: 0, keepAlive: true,
		keepAliveInitialDelayMillis: Number(KEEP_ALIVE_MS) }).on("error", () => {}); // of a client that idles
	const client = await pool.connect();

	try {
		await client.query("begin");
		const { rows } = await client.query(QUERY);
		await client.query("commit");
		return rows[0];
	} finally {
		client.release();
	}
}

export async function postgres() {
	sql ??= postgresJs(DATABASE_URL, { max: 4, keep_alive: Number(KEEP_ALIVE_MS) / 1000, onnotice() {}, backoff: false });
	return sql.begin(async (one) => (await one.unsafe(QUERY))[0]);
}

const KINDS = { "/pg": pg, "/postgres": postgres };

async function answer(request, reply) {
	try {
		reply.end(JSON.stringify(await KINDS[request.url]()));
	} catch (error) {
		reply.writeHead(502).end(JSON.stringify({ error: String(error.code ?? error) }));
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	http.createServer(answer).listen(process.env.PORT, "127.0.0.1", () => console.log("listens"));
