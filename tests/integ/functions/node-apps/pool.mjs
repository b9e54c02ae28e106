// SPDX-License-Identifier: Apache-2.0
// npm pg-pool under npm @vercel/functions' attachDatabasePool, both unmodified. Instead of a database there is a
// client class with the interface that pg-pool asks for; it notes when a client is closed.
import { EventEmitter } from "node:events";
import { attachDatabasePool } from "@vercel/functions";
import Pool from "pg-pool";

const closed = [];
let made = 0;

class Client extends EventEmitter {
	_queryable = true; // what pg-pool asks a client before it keeps it
	_ending = false;
	connect(done) {
		this.number = ++made;
		setImmediate(done);
	}
	query(text, values, done) {
		setImmediate(done, null, { rows: [{ client: this.number }] });
	}
	end(done) {
		closed.push(Date.now());
		console.log(`client ${this.number} closed`);
		if (done) setImmediate(done);
		return Promise.resolve();
	}
}

const pool = new Pool({ Client, idleTimeoutMillis: 500 });
attachDatabasePool(pool);

export default {
	async fetch(request) {
		if (new URL(request.url).pathname === "/closed") return Response.json(closed);
		const { rows } = await pool.query("SELECT 1", []);
		return Response.json({ ...rows[0], at: Date.now() });
	},
};
