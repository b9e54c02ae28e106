// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/store_inside.h"

#include <errno.h>
#include <stdlib.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define STORE_FILE    "flow.db"
#define STORE_VERSION 2
#define STORE_ID      0x65626246 /* "ebbF", shown by file(1) */

/* clang-format off */
/* Steps are added and never edited. state: enum wire_run_state, below 2 while it is not over. */
static const char *const steps[STORE_VERSION] = {
	"CREATE TABLE schedule (service TEXT NOT NULL, name TEXT NOT NULL, rule TEXT NOT NULL,"
	" last_us INTEGER NOT NULL CHECK (last_us >= 0),"
	" next_us INTEGER NOT NULL CHECK (next_us >= 0),"
	" PRIMARY KEY (service, name)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE run (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
	" service TEXT NOT NULL, schedule TEXT NOT NULL,"
	" state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4),"
	" cause INTEGER NOT NULL CHECK (cause >= 0),"
	" attempts INTEGER NOT NULL CHECK (attempts >= 0),"
	" failures INTEGER NOT NULL CHECK (failures >= 0),"
	" status INTEGER NOT NULL CHECK (status >= 0),"
	" scheduled_us INTEGER NOT NULL CHECK (scheduled_us >= 0),"
	" due_us INTEGER NOT NULL CHECK (due_us >= 0),"
	" begun_us INTEGER NOT NULL CHECK (begun_us >= 0),"
	" ended_us INTEGER NOT NULL CHECK (ended_us >= 0),"
	" text TEXT NOT NULL) STRICT;"
	"CREATE INDEX run_of ON run (service, schedule, number);"
	"CREATE INDEX run_open ON run (number) WHERE state < 2;",
	/* 2: queues. state of a delivery: enum wire_letter_state. */
	"CREATE TABLE topic (id INTEGER PRIMARY KEY, space TEXT NOT NULL, name TEXT NOT NULL,"
	" UNIQUE (space, name)) STRICT;"
	"CREATE TABLE consumer (id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, name TEXT NOT NULL,"
	" seen_us INTEGER NOT NULL CHECK (seen_us >= 0),"
	" delay_us INTEGER NOT NULL CHECK (delay_us >= 0), UNIQUE (topic, name)) STRICT;"
	"CREATE TABLE message (number INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL,"
	" lane TEXT NOT NULL, type TEXT NOT NULL,"
	" created_us INTEGER NOT NULL CHECK (created_us >= 0),"
	" due_us INTEGER NOT NULL CHECK (due_us >= 0),"
	" expires_us INTEGER NOT NULL CHECK (expires_us >= 0),"
	" size INTEGER NOT NULL CHECK (size >= 0), body BLOB NOT NULL) STRICT;"
	"CREATE INDEX message_of ON message (topic, number);"
	"CREATE INDEX message_lane ON message (topic, lane, number) WHERE lane <> '';"
	"CREATE INDEX message_expiry ON message (expires_us);"
	"CREATE TABLE sent (topic INTEGER NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL,"
	" until_us INTEGER NOT NULL CHECK (until_us >= 0),"
	" PRIMARY KEY (topic, key)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX sent_until ON sent (until_us);"
	"CREATE TABLE delivery (consumer INTEGER NOT NULL, message INTEGER NOT NULL,"
	" state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),"
	" attempts INTEGER NOT NULL CHECK (attempts >= 0),"
	" failures INTEGER NOT NULL CHECK (failures >= 0),"
	" due_us INTEGER NOT NULL CHECK (due_us >= 0), receipt INTEGER NOT NULL,"
	" lane TEXT NOT NULL, text TEXT NOT NULL,"
	" PRIMARY KEY (consumer, message)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX delivery_due ON delivery (consumer, due_us, message) WHERE state < 2;"
	"CREATE INDEX delivery_lane ON delivery (consumer, lane, message)"
	" WHERE lane <> '' AND state < 3;"
	"CREATE INDEX delivery_of ON delivery (message);",
};

#define DELIVERY_COLUMNS \
	"consumer, message, state, attempts, failures, due_us, receipt, lane, text"
#define RUN_COLUMNS \
	"id, service, schedule, state, cause, attempts, failures, status, scheduled_us, due_us," \
	" begun_us, ended_us, text"

static const char *const statements[STATEMENT_COUNT] = {
	[DO_BEGIN] = "BEGIN IMMEDIATE",
	[DO_COMMIT] = "COMMIT",
	[DO_PUT_SCHEDULE] = "INSERT INTO schedule (service, name, rule, last_us, next_us)"
			    " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (service, name)"
			    " DO UPDATE SET rule = ?3, last_us = ?4, next_us = ?5",
	[DO_DROP_SCHEDULE] = "DELETE FROM schedule WHERE service = ? AND name = ?",
	[DO_DROP_RUNS] = "DELETE FROM run WHERE service = ? AND schedule = ?",
	[DO_PUT_RUN] = "INSERT INTO run (" RUN_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
		       " ?10, ?11, ?12, ?13) ON CONFLICT (id) DO UPDATE SET state = ?4, attempts = ?6,"
		       " failures = ?7, status = ?8, due_us = ?10, begun_us = ?11, ended_us = ?12,"
		       " text = ?13",
	[DO_TRIM] = "DELETE FROM run WHERE service = ?1 AND schedule = ?2 AND state >= 2 AND number <="
		    " (SELECT number FROM run WHERE service = ?1 AND schedule = ?2 AND state >= 2"
		    " ORDER BY number DESC LIMIT 1 OFFSET ?3)",
	[DO_SCHEDULE] = "SELECT service, name, rule, last_us, next_us FROM schedule"
			" WHERE service = ? AND name = ?",
	[DO_SCHEDULES] = "SELECT service, name, rule, last_us, next_us FROM schedule",
	[DO_OPEN_RUNS] = "SELECT " RUN_COLUMNS " FROM run WHERE state < 2 ORDER BY number",
	[DO_MAKE_TOPIC] = "INSERT INTO topic (space, name) VALUES (?1, ?2) RETURNING id",
	[DO_MAKE_CONSUMER] = "INSERT INTO consumer (topic, name, seen_us, delay_us)"
			     " VALUES (?1, ?2, ?3, 0) RETURNING id",
	/* The oldest of each lane waits, the others are behind it. */
	[DO_FILL_CONSUMER] = "INSERT INTO delivery (consumer, message, state, attempts, failures,"
			     " due_us, receipt, lane, text) SELECT ?1, m.number,"
			     " CASE WHEN m.lane <> '' AND EXISTS (SELECT 1 FROM message e WHERE"
			     " e.topic = ?2 AND e.lane = m.lane AND e.lane <> '' AND"
			     " e.number < m.number) THEN 2 ELSE 0 END, 0, 0, m.due_us, 0, m.lane, ''"
			     " FROM message m WHERE m.topic = ?2",
	[DO_PUT_CONSUMER] = "UPDATE consumer SET seen_us = ?2, delay_us = ?3 WHERE id = ?1",
	[DO_DROP_CONSUMER] = "DELETE FROM consumer WHERE id = ?",
	/* The keys of its messages outlive them. */
	[DO_DROP_TOPIC] = "DELETE FROM topic WHERE id = ?1 AND NOT EXISTS"
			  " (SELECT 1 FROM sent WHERE topic = ?1) AND NOT EXISTS"
			  " (SELECT 1 FROM message WHERE topic = ?1) RETURNING id",
	[DO_FREE_BYTES] = "SELECT f.freelist_count * p.page_size"
			  " FROM pragma_freelist_count f, pragma_page_size p",
	[DO_PUT_MESSAGE] = "INSERT INTO message (topic, lane, type, created_us, due_us, expires_us,"
			   " size, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING number",
	[DO_PUT_SENT] = "INSERT OR REPLACE INTO sent (topic, key, number, until_us)"
			" VALUES (?1, ?2, ?3, ?4)",
	[DO_PUT_DELIVERIES] = "INSERT INTO delivery (consumer, message, state, attempts, failures,"
			      " due_us, receipt, lane, text) SELECT c.id, ?2,"
			      " CASE WHEN ?3 <> '' AND EXISTS (SELECT 1 FROM delivery d WHERE"
			      " d.consumer = c.id AND d.lane = ?3 AND d.lane <> '' AND d.state < 3)"
			      " THEN 2 ELSE 0 END, 0, 0, ?4 + c.delay_us, 0, ?3, ''"
			      " FROM consumer c WHERE c.topic = ?1",
	[DO_PUT_DELIVERY] = "UPDATE delivery SET state = ?3, attempts = ?4, failures = ?5,"
			    " due_us = ?6, receipt = ?7, text = ?8"
			    " WHERE consumer = ?1 AND message = ?2",
	[DO_NEXT_OF_LANE] = "UPDATE delivery SET state = 0 WHERE consumer = ?1 AND message ="
			    " (SELECT MIN(message) FROM delivery WHERE consumer = ?1 AND lane = ?2"
			    " AND lane <> '' AND state < 3) AND state = 2 AND NOT EXISTS"
			    " (SELECT 1 FROM delivery WHERE consumer = ?1 AND lane = ?2"
			    " AND lane <> '' AND state < 3 AND state < 2)",
	[DO_DROP_DELIVERY] = "DELETE FROM delivery WHERE consumer = ?1 AND message = ?2",
	[DO_DROP_MESSAGE] = "DELETE FROM message WHERE number = ?1 AND NOT EXISTS"
			    " (SELECT 1 FROM delivery WHERE message = ?1) RETURNING size",
	[DO_KEEP] = "UPDATE message SET expires_us = ?2 WHERE number = ?1 AND expires_us < ?2",
	[DO_FORGET_KEYS] = "DELETE FROM sent WHERE until_us <= ?",
	[DO_SENT] = "SELECT number FROM sent WHERE topic = ?1 AND key = ?2 AND until_us > ?3",
	[DO_DUE] = "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE consumer = ?1 AND state < 2"
		   " AND due_us <= ?2 ORDER BY due_us, message LIMIT 1",
	[DO_DELIVERY] = "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE consumer = ?1"
			" AND message = ?2",
	[DO_ANY_DELIVERY] = "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE message = ? LIMIT 1",
	[DO_MESSAGE] = "SELECT number, topic, created_us, due_us, expires_us, lane, type, body"
		       " FROM message WHERE number = ?",
	[DO_FIRST_DUE] = "SELECT due_us FROM delivery WHERE consumer = ?1 AND state < 2"
			 " ORDER BY due_us LIMIT 1",
	[DO_FIRST_EXPIRY] = "SELECT expires_us, number, topic, size FROM message"
			    " ORDER BY expires_us LIMIT 1",
	[DO_LAST_NUMBER] = "SELECT seq FROM sqlite_sequence WHERE name = 'message'",
	[DO_TOPICS] = "SELECT t.id, t.space, t.name, (SELECT COUNT(*) FROM message m WHERE"
		      " m.topic = t.id), (SELECT COALESCE(SUM(m.size), 0) FROM message m WHERE"
		      " m.topic = t.id) FROM topic t",
	[DO_CONSUMERS] = "SELECT id, topic, name, seen_us FROM consumer",
	[DO_DELIVERIES] = "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE consumer = ?1 AND"
			  " message > ?2 AND (?3 = 4 OR state = ?3) ORDER BY message LIMIT ?4",
	[DO_COUNT] = "SELECT state, COUNT(*) FROM delivery WHERE consumer = ? GROUP BY state",
	[DO_MESSAGES] = "SELECT 0, number, 0, 0, 0, due_us, 0, lane, '' FROM message"
			" WHERE topic = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
	[DO_RUNS] = "SELECT " RUN_COLUMNS " FROM run WHERE (?1 = '' OR service = ?1)"
		    " AND (?2 = '' OR schedule = ?2) ORDER BY number DESC LIMIT ?3",
};
/* clang-format on */

_Static_assert(WIRE_LETTER_WAITING == 0 && WIRE_LETTER_DELIVERING == 1 && WIRE_LETTER_BEHIND == 2 &&
		       WIRE_LETTER_DEAD == 3 && WIRE_LETTER_STATE_COUNT == 4,
	       "states of the statements");
_Static_assert(WIRE_RUN_WAITING == 0 && WIRE_RUN_DELIVERING == 1 && WIRE_RUN_DONE == 2,
	       "a state below 2 is not over");

int store_open(struct store **out, char *why)
{
	static const struct sql_schema schema = {.what = "the store of ebb-flow",
						 .application_id = STORE_ID,
						 .version = STORE_VERSION,
						 .steps = steps,
						 .statements = statements,
						 .statement_count = STATEMENT_COUNT};
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = sql_open(&s->sql, STORE_FILE, &schema);
	if (r < 0) {
		(void)text_copy(why, sizeof(s->sql.why), s->sql.why);
		store_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	sql_close(&s->sql);
	free(s);
}

int store_broken(const struct store *s, const char **why)
{
	*why = s->sql.why;
	return s->sql.broken;
}

/* ---- changes ---- */

static int fail(struct store *s, int err)
{
	sql_break(&s->sql, -err);
	return err;
}

int store_begin(struct store *s)
{
	int r;

	if (s->sql.broken)
		return -s->sql.broken;
	if (s->begun)
		return 0;
	r = sql_run(&s->sql, DO_BEGIN);
	if (r < 0)
		return fail(s, r);
	s->begun = true;
	return 0;
}

int store_change(struct store *s, enum statement which)
{
	int r = sql_run(&s->sql, which);

	return r < 0 ? fail(s, r) : 0;
}

int store_put_schedule(struct store *s, const struct store_schedule *schedule)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_text(&s->sql, DO_PUT_SCHEDULE, 1, schedule->service);
	sql_bind_text(&s->sql, DO_PUT_SCHEDULE, 2, schedule->schedule);
	sql_bind_text(&s->sql, DO_PUT_SCHEDULE, 3, schedule->rule);
	sql_bind_u64(&s->sql, DO_PUT_SCHEDULE, 4, schedule->last_us);
	sql_bind_u64(&s->sql, DO_PUT_SCHEDULE, 5, schedule->next_us);
	return store_change(s, DO_PUT_SCHEDULE);
}

static int drop(struct store *s, enum statement which, const char *service, const char *schedule)
{
	sql_bind_text(&s->sql, which, 1, service);
	sql_bind_text(&s->sql, which, 2, schedule);
	return store_change(s, which);
}

int store_drop_schedule(struct store *s, const char *service, const char *schedule)
{
	int r = store_begin(s);

	if (r == 0)
		r = drop(s, DO_DROP_SCHEDULE, service, schedule);
	return r < 0 ? r : drop(s, DO_DROP_RUNS, service, schedule);
}

int store_put_run(struct store *s, const struct store_run *run)
{
	const uint64_t numbers[] = {run->state,    run->cause,    run->attempts,
				    run->failures, run->status,   run->scheduled_us,
				    run->due_us,   run->begun_us, run->ended_us};
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_text(&s->sql, DO_PUT_RUN, 1, run->id);
	sql_bind_text(&s->sql, DO_PUT_RUN, 2, run->service);
	sql_bind_text(&s->sql, DO_PUT_RUN, 3, run->schedule);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		sql_bind_u64(&s->sql, DO_PUT_RUN, (int)i + 4, numbers[i]);
	sql_bind_text(&s->sql, DO_PUT_RUN, 13, run->text);
	return store_change(s, DO_PUT_RUN);
}

int store_trim(struct store *s, const char *service, const char *schedule, uint32_t keep)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_text(&s->sql, DO_TRIM, 1, service);
	sql_bind_text(&s->sql, DO_TRIM, 2, schedule);
	sql_bind_u64(&s->sql, DO_TRIM, 3, keep);
	return store_change(s, DO_TRIM);
}

int store_commit(struct store *s)
{
	int r;

	if (s->sql.broken)
		return -s->sql.broken;
	if (!s->begun)
		return 0;
	r = sql_run(&s->sql, DO_COMMIT);
	if (r < 0)
		return fail(s, r);
	s->begun = false;
	sql_checkpoint(&s->sql);
	return 0;
}

/* ---- questions ---- */

int store_next(struct store *s, enum statement which)
{
	int r = sql_next(&s->sql, which);

	return r < 0 && r != -ENOMEM ? fail(s, r) : r;
}

static void read_schedule(struct store *s, enum statement which, struct store_schedule *out)
{
	sql_text(&s->sql, which, 0, out->service, sizeof(out->service));
	sql_text(&s->sql, which, 1, out->schedule, sizeof(out->schedule));
	sql_text(&s->sql, which, 2, out->rule, sizeof(out->rule));
	out->last_us = sql_u64(&s->sql, which, 3);
	out->next_us = sql_u64(&s->sql, which, 4);
}

int store_schedule(struct store *s, const char *service, const char *schedule,
		   struct store_schedule *out)
{
	int r;

	sql_bind_text(&s->sql, DO_SCHEDULE, 1, service);
	sql_bind_text(&s->sql, DO_SCHEDULE, 2, schedule);
	r = store_next(s, DO_SCHEDULE);
	if (r != 1)
		return r;
	read_schedule(s, DO_SCHEDULE, out);
	sql_reset(&s->sql, DO_SCHEDULE);
	return 1;
}

int store_each_schedule(struct store *s, store_each_schedule_fn each, void *self)
{
	struct store_schedule schedule;
	int r;

	while ((r = store_next(s, DO_SCHEDULES)) == 1) {
		read_schedule(s, DO_SCHEDULES, &schedule);
		r = each(self, &schedule);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, DO_SCHEDULES);
	return r;
}

static void read_run(struct store *s, enum statement which, struct store_run *out)
{
	sql_text(&s->sql, which, 0, out->id, sizeof(out->id));
	sql_text(&s->sql, which, 1, out->service, sizeof(out->service));
	sql_text(&s->sql, which, 2, out->schedule, sizeof(out->schedule));
	out->state = (uint32_t)sql_u64(&s->sql, which, 3);
	out->cause = (uint32_t)sql_u64(&s->sql, which, 4);
	out->attempts = (uint32_t)sql_u64(&s->sql, which, 5);
	out->failures = (uint32_t)sql_u64(&s->sql, which, 6);
	out->status = (uint32_t)sql_u64(&s->sql, which, 7);
	out->scheduled_us = sql_u64(&s->sql, which, 8);
	out->due_us = sql_u64(&s->sql, which, 9);
	out->begun_us = sql_u64(&s->sql, which, 10);
	out->ended_us = sql_u64(&s->sql, which, 11);
	sql_text(&s->sql, which, 12, out->text, sizeof(out->text));
}

static int each_row(struct store *s, enum statement which, store_each_run_fn each, void *self)
{
	struct store_run run;
	int r;

	while ((r = store_next(s, which)) == 1) {
		read_run(s, which, &run);
		r = each(self, &run);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, which);
	return r;
}

int store_each_open(struct store *s, store_each_run_fn each, void *self)
{
	return each_row(s, DO_OPEN_RUNS, each, self);
}

int store_each_run(struct store *s, const char *service, const char *schedule, uint32_t most,
		   store_each_run_fn each, void *self)
{
	sql_bind_text(&s->sql, DO_RUNS, 1, service);
	sql_bind_text(&s->sql, DO_RUNS, 2, schedule);
	sql_bind_u64(&s->sql, DO_RUNS, 3, most);
	return each_row(s, DO_RUNS, each, self);
}
