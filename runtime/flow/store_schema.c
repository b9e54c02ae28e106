// SPDX-License-Identifier: Apache-2.0
/* The schema of the store, and its statements. */
#include "runtime/flow/store_workflows.h"

#include "runtime/flow/store_inside.h"

#define STORE_VERSION 4
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
	/* 3: workflows. type: enum workflow_type; state of a run: enum wire_work_state, below 2
	 * while it is not over; kind of a part: enum workflow_kind, and its state: enum part_state.
	 * Bytes of a client are never looked at. */
	"ALTER TABLE message ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE workspace (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE work (number INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL,"
	" id TEXT NOT NULL, name TEXT NOT NULL, deployment TEXT NOT NULL,"
	" service TEXT NOT NULL,"
	" state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 4), spec INTEGER NOT NULL,"
	" events INTEGER NOT NULL CHECK (events >= 0), ended_event INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL CHECK (bytes >= 0),"
	" created_us INTEGER NOT NULL CHECK (created_us >= 0),"
	" updated_us INTEGER NOT NULL CHECK (updated_us >= 0),"
	" started_us INTEGER NOT NULL CHECK (started_us >= 0),"
	" ended_us INTEGER NOT NULL CHECK (ended_us >= 0),"
	" outside_us INTEGER NOT NULL CHECK (outside_us >= 0), UNIQUE (space, id)) STRICT;"
	"CREATE INDEX work_of ON work (space, number);"
	"CREATE INDEX work_state ON work (space, state, number);"
	"CREATE INDEX work_name ON work (space, name, number);"
	"CREATE INDEX work_over ON work (space, number) WHERE state >= 2;"
	"CREATE INDEX work_ended ON work (ended_us) WHERE state >= 2;"
	"CREATE TABLE work_event (id INTEGER PRIMARY KEY, work INTEGER NOT NULL,"
	" number INTEGER NOT NULL, space INTEGER NOT NULL, type INTEGER NOT NULL,"
	" correlation TEXT NOT NULL, spec INTEGER NOT NULL, once TEXT NOT NULL,"
	" created_us INTEGER NOT NULL, occurred_ms INTEGER NOT NULL, meta BLOB NOT NULL,"
	" data BLOB NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX work_event_of ON work_event (work, number);"
	"CREATE UNIQUE INDEX work_event_once ON work_event (work, once) WHERE once <> '';"
	"CREATE INDEX work_event_about ON work_event (space, correlation, id)"
	" WHERE correlation <> '';"
	"CREATE TABLE work_part (number INTEGER PRIMARY KEY, work INTEGER NOT NULL,"
	" space INTEGER NOT NULL, kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),"
	" id TEXT NOT NULL, name TEXT NOT NULL, state INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL CHECK (attempts >= 0), spec INTEGER NOT NULL,"
	" created_event INTEGER NOT NULL, ended_event INTEGER NOT NULL,"
	" created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL,"
	" started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, due_us INTEGER NOT NULL,"
	" UNIQUE (work, kind, id)) STRICT;"
	"CREATE INDEX work_part_id ON work_part (space, kind, id);"
	"CREATE UNIQUE INDEX work_part_token ON work_part (space, name)"
	" WHERE kind = 1 AND state = 0;"
	"CREATE INDEX work_part_hooks ON work_part (space, number) WHERE kind = 1 AND state = 0;"
	"CREATE TABLE stream (number INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL,"
	" name TEXT NOT NULL, work TEXT NOT NULL, alone INTEGER NOT NULL,"
	" chunks INTEGER NOT NULL, bytes INTEGER NOT NULL, closed INTEGER NOT NULL,"
	" once TEXT NOT NULL, touched_us INTEGER NOT NULL, UNIQUE (space, name)) STRICT;"
	"CREATE INDEX stream_of ON stream (space, work, name);"
	"CREATE INDEX stream_alone ON stream (touched_us) WHERE alone = 1;"
	"CREATE TABLE chunk (stream INTEGER NOT NULL, number INTEGER NOT NULL,"
	" data BLOB NOT NULL, PRIMARY KEY (stream, number)) STRICT, WITHOUT ROWID;",
	/* 4: indices, so no question walks over rows that do not fit. */
	"CREATE INDEX stream_alone_of ON stream (space) WHERE alone = 1;"
	"CREATE INDEX work_name_state ON work (space, name, state, number);"
	"CREATE INDEX work_part_live ON work_part (space, id) WHERE kind = 1 AND state = 0;",
};

#define DELIVERY_COLUMNS \
	"consumer, message, state, attempts, failures, due_us, receipt, lane, text"
#define RUN_COLUMNS \
	"id, service, schedule, state, cause, attempts, failures, status, scheduled_us, due_us," \
	" begun_us, ended_us, text"

#define WORK_COLUMNS \
	"number, space, id, name, deployment, state, spec, events, ended_event, bytes," \
	" created_us, updated_us, started_us, ended_us, outside_us, service"
/* A run that is forgotten in steps has no end any more. */
#define IS_THERE " AND (state < 2 OR ended_us > 0)"
#define EVENT_COLUMNS \
	"e.id, e.number, w.id, e.type, e.correlation, e.spec, e.created_us, e.occurred_ms," \
	" e.meta, e.data"
#define PART_COLUMNS \
	"p.number, p.work, p.space, p.kind, p.id, p.name, p.state, p.attempts, p.spec," \
	" p.created_event, p.ended_event, p.created_us, p.updated_us, p.started_us, p.ended_us," \
	" p.due_us, w.id"
#define STREAM_COLUMNS \
	"number, space, name, work, alone, chunks, bytes, closed, once, touched_us"

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
			   " size, body, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
			  " RETURNING number",
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
	[DO_MESSAGE] = "SELECT number, topic, created_us, due_us, expires_us, lane, type, body,"
		       " revision"
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
	/* workflows */
	[DO_WORKSPACES] = "SELECT s.id, s.name, (SELECT COUNT(*) FROM work w WHERE w.space = s.id),"
			  " (SELECT COUNT(*) FROM work w WHERE w.space = s.id AND w.state < 2),"
			  " (SELECT COALESCE(SUM(w.bytes), 0) FROM work w WHERE w.space = s.id) +"
			  " (SELECT COALESCE(SUM(t.bytes), 0) FROM stream t WHERE t.space = s.id)"
			  " FROM workspace s",
	[DO_MAKE_WORKSPACE] = "INSERT INTO workspace (name) VALUES (?) RETURNING id",
	[DO_MAKE_WORK] = "INSERT INTO work (space, id, name, deployment, state, spec, events,"
			 " ended_event, bytes, created_us, updated_us, started_us, ended_us,"
			 " outside_us, service)"
			 " VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, 0, ?6, ?7, ?7, 0, 0, 0, ?8)"
			 " RETURNING number",
	[DO_PUT_WORK] = "UPDATE work SET state = ?2, events = ?3, ended_event = ?4, bytes = ?5,"
			" updated_us = ?6, started_us = ?7, ended_us = ?8, outside_us = ?9"
			" WHERE number = ?1",
	[DO_WORK] = "SELECT " WORK_COLUMNS " FROM work WHERE space = ?1 AND id = ?2",
	[DO_WORKS] = "SELECT " WORK_COLUMNS " FROM work WHERE space = ?1 AND number > ?2"
		     IS_THERE " ORDER BY number LIMIT ?3",
	[DO_WORKS_DOWN] = "SELECT " WORK_COLUMNS " FROM work WHERE space = ?1 AND number < ?2"
			  IS_THERE " ORDER BY number DESC LIMIT ?3",
	[DO_WORKS_STATE] = "SELECT " WORK_COLUMNS " FROM work WHERE space = ?1 AND number > ?2"
			   " AND state = ?4 " IS_THERE " ORDER BY number LIMIT ?3",
	[DO_WORKS_STATE_DOWN] = "SELECT " WORK_COLUMNS " FROM work WHERE space = ?1 AND number < ?2"
				" AND state = ?4 " IS_THERE " ORDER BY number DESC LIMIT ?3",
	[DO_WORKS_NAME] = "SELECT " WORK_COLUMNS " FROM work WHERE space = ?1 AND number > ?2"
			  " AND name = ?4 " IS_THERE " ORDER BY number LIMIT ?3",
	[DO_WORKS_NAME_DOWN] = "SELECT " WORK_COLUMNS " FROM work WHERE space = ?1 AND number < ?2"
			       " AND name = ?4 " IS_THERE " ORDER BY number DESC LIMIT ?3",
	[DO_WORKS_NAME_STATE] = "SELECT " WORK_COLUMNS " FROM work INDEXED BY work_name_state WHERE"
				" space = ?1 AND number > ?2 AND name = ?4 AND state = ?5"
				IS_THERE " ORDER BY number LIMIT ?3",
	[DO_WORKS_NAME_STATE_DOWN] = "SELECT " WORK_COLUMNS " FROM work INDEXED BY work_name_state"
				     " WHERE space = ?1 AND number < ?2 AND name = ?4 AND"
				     " state = ?5 " IS_THERE " ORDER BY number DESC LIMIT ?3",
	[DO_OLDEST_OVER] = "SELECT " WORK_COLUMNS " FROM work INDEXED BY work_over WHERE space = ? AND state >= 2"
			   " ORDER BY number LIMIT 1",
	[DO_FIRST_OVER] = "SELECT " WORK_COLUMNS " FROM work WHERE state >= 2"
			  " ORDER BY ended_us LIMIT 1",
	[DO_DROP_WORK] = "DELETE FROM work WHERE number = ?",
	[DO_DROP_WORK_EVENTS] = "DELETE FROM work_event WHERE work = ?1 AND number <= ?2",
	[DO_DROP_WORK_PARTS] = "DELETE FROM work_part WHERE work = ?1 AND number <= ?2",
	[DO_PUT_EVENT] = "INSERT INTO work_event (work, number, space, type, correlation, spec,"
			 " once, created_us, occurred_ms, meta, data)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[DO_EVENT] = "SELECT " EVENT_COLUMNS " FROM work_event e JOIN work w ON w.number = e.work"
		     " WHERE e.work = ?1 AND e.number = ?2",
	[DO_EVENT_ONCE] = "SELECT " EVENT_COLUMNS " FROM work_event e JOIN work w ON"
			  " w.number = e.work WHERE e.work = ?1 AND e.once = ?2 AND e.once <> ''",
	[DO_EVENTS] = "SELECT " EVENT_COLUMNS " FROM work_event e JOIN work w ON w.number = e.work"
		      " WHERE e.work = ?1 AND e.number > ?2 ORDER BY e.number LIMIT ?3",
	[DO_EVENTS_DOWN] = "SELECT " EVENT_COLUMNS " FROM work_event e JOIN work w ON"
			   " w.number = e.work WHERE e.work = ?1 AND e.number < ?2"
			   " ORDER BY e.number DESC LIMIT ?3",
	[DO_EVENTS_ABOUT] = "SELECT " EVENT_COLUMNS " FROM work_event e JOIN work w ON"
			    " w.number = e.work WHERE e.space = ?1 AND e.correlation = ?4 AND"
			    " e.correlation <> '' AND e.id > ?2 ORDER BY e.id LIMIT ?3",
	[DO_EVENTS_ABOUT_DOWN] = "SELECT " EVENT_COLUMNS " FROM work_event e JOIN work w ON"
				 " w.number = e.work WHERE e.space = ?1 AND e.correlation = ?4 AND"
				 " e.correlation <> '' AND e.id < ?2 ORDER BY e.id DESC LIMIT ?3",
	/* A run has few events, and a correlation may have those of many runs. */
	[DO_EVENTS_OF_RUN_ABOUT] = "SELECT " EVENT_COLUMNS " FROM work_event e INDEXED BY"
				   " work_event_of JOIN work w ON w.number = e.work WHERE"
				   " e.work = ?1 AND e.id > ?2 AND e.correlation = ?4"
				   " ORDER BY e.number LIMIT ?3",
	[DO_EVENTS_OF_RUN_ABOUT_DOWN] = "SELECT " EVENT_COLUMNS " FROM work_event e INDEXED BY"
					" work_event_of JOIN work w ON w.number = e.work WHERE"
					" e.work = ?1 AND e.id < ?2 AND e.correlation = ?4"
					" ORDER BY e.number DESC LIMIT ?3",
	[DO_PUT_PART] = "INSERT INTO work_part (work, space, kind, id, name, state, attempts, spec,"
			" created_event, ended_event, created_us, updated_us, started_us, ended_us,"
			" due_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
			" ?14, ?15) ON CONFLICT (work, kind, id) DO UPDATE SET state = ?6,"
			" attempts = ?7, ended_event = ?10, updated_us = ?12, started_us = ?13,"
			" ended_us = ?14, due_us = ?15",
	[DO_PART] = "SELECT " PART_COLUMNS " FROM work_part p JOIN work w ON w.number = p.work"
		    " WHERE p.work = ?1 AND p.kind = ?2 AND p.id = ?3",
	[DO_ANY_PART] = "SELECT " PART_COLUMNS " FROM work_part p JOIN work w ON w.number = p.work"
			" WHERE p.space = ?1 AND p.kind = ?2 AND p.id = ?3"
			" ORDER BY p.number DESC LIMIT 1",
	[DO_ANY_HOOK] = "SELECT " PART_COLUMNS " FROM work_part p INDEXED BY work_part_live"
			" JOIN work w ON w.number = p.work WHERE p.space = ?1 AND p.id = ?2"
			" AND p.kind = 1 AND p.state = 0 ORDER BY p.number DESC LIMIT 1",
	[DO_HOOK_OF_TOKEN] = "SELECT " PART_COLUMNS " FROM work_part p JOIN work w ON"
			     " w.number = p.work WHERE p.space = ?1 AND p.name = ?2"
			     " AND p.kind = 1 AND p.state = 0",
	[DO_PARTS] = "SELECT " PART_COLUMNS " FROM work_part p JOIN work w ON w.number = p.work"
		     " WHERE p.work = ?1 AND p.kind = ?2 AND p.id > ?3"
		     " AND (p.kind <> 1 OR p.state = 0) ORDER BY p.id LIMIT ?4",
	[DO_PARTS_DOWN] = "SELECT " PART_COLUMNS " FROM work_part p JOIN work w ON"
			  " w.number = p.work WHERE p.work = ?1 AND p.kind = ?2"
			  " AND (?3 = '' OR p.id < ?3) AND (p.kind <> 1 OR p.state = 0)"
			  " ORDER BY p.id DESC LIMIT ?4",
	[DO_HOOKS] = "SELECT " PART_COLUMNS " FROM work_part p JOIN work w ON w.number = p.work"
		     " WHERE p.space = ?1 AND p.kind = 1 AND p.state = 0 AND p.number > ?2"
		     " ORDER BY p.number LIMIT ?3",
	[DO_HOOKS_DOWN] = "SELECT " PART_COLUMNS " FROM work_part p JOIN work w ON w.number = p.work"
			  " WHERE p.space = ?1 AND p.kind = 1 AND p.state = 0 AND p.number < ?2"
			  " ORDER BY p.number DESC LIMIT ?3",
	[DO_DISPOSE_HOOKS] = "UPDATE work_part SET state = 1, updated_us = ?2 WHERE work = ?1"
			     " AND kind = 1 AND state = 0",
	[DO_MAKE_STREAM] = "INSERT INTO stream (space, name, work, alone, chunks, bytes, closed,"
			   " once, touched_us) SELECT ?1, ?2, ?3, NOT EXISTS (SELECT 1 FROM work"
			   " WHERE space = ?1 AND id = ?3), 0, ?4, 0, '', ?5 RETURNING number, alone",
	[DO_PUT_STREAM] = "UPDATE stream SET chunks = ?2, bytes = ?3, closed = ?4, once = ?5,"
			  " touched_us = ?6 WHERE number = ?1",
	[DO_STREAM] = "SELECT " STREAM_COLUMNS " FROM stream WHERE space = ?1 AND name = ?2",
	[DO_STREAMS] = "SELECT " STREAM_COLUMNS " FROM stream WHERE space = ?1 AND work = ?2"
		       " ORDER BY name LIMIT ?3",
	[DO_FIRST_ALONE] = "SELECT " STREAM_COLUMNS " FROM stream WHERE alone = 1"
			   " ORDER BY touched_us LIMIT 1",
	[DO_JOIN_STREAMS] = "UPDATE stream SET alone = 0 WHERE space = ?1 AND work = ?2 AND"
			    " alone = 1",
	[DO_DROP_STREAM] = "DELETE FROM stream WHERE number = ?",
	[DO_DROP_CHUNKS] = "DELETE FROM chunk WHERE stream = ?1 AND number <= ?2",
	[DO_PUT_CHUNK] = "INSERT INTO chunk (stream, number, data) VALUES (?1, ?2, ?3)",
	[DO_CHUNKS] = "SELECT number, data FROM chunk WHERE stream = ?1 AND number >= ?2"
		      " ORDER BY number LIMIT ?3",
	[DO_STREAMS_FULL] = "SELECT CASE WHEN EXISTS (SELECT 1 FROM stream WHERE space = ?1 AND"
			    " work = ?2 LIMIT 1 OFFSET ?3) THEN 1 WHEN NOT EXISTS (SELECT 1 FROM"
			    " work WHERE space = ?1 AND id = ?2) AND EXISTS (SELECT 1 FROM stream"
			    " INDEXED BY stream_alone_of WHERE space = ?1 AND alone = 1"
			    " LIMIT 1 OFFSET ?4) THEN 2 ELSE 0 END",
	/* Rows to forget; their bytes are at most those that were counted. */
	[DO_CHUNK_SIZES] = "SELECT number, length(data) + 32 FROM chunk WHERE stream = ?"
			   " ORDER BY number",
	[DO_EVENT_SIZES] = "SELECT number, length(meta) + length(data) + 256 FROM work_event"
			   " WHERE work = ? ORDER BY number",
	[DO_PART_SIZES] = "SELECT number, 512 FROM work_part WHERE work = ? ORDER BY number",
};
/* clang-format on */

_Static_assert(WIRE_LETTER_WAITING == 0 && WIRE_LETTER_DELIVERING == 1 && WIRE_LETTER_BEHIND == 2 &&
		       WIRE_LETTER_DEAD == 3 && WIRE_LETTER_STATE_COUNT == 4,
	       "states of the statements");
_Static_assert(WIRE_RUN_WAITING == 0 && WIRE_RUN_DELIVERING == 1 && WIRE_RUN_DONE == 2,
	       "a state below 2 is not over");
_Static_assert(WORK_COMPLETED == 2 && WORK_STATE_COUNT == 5 && PART_HOOK == 1 &&
		       PART_KIND_COUNT == 3 && PART_LIVE == 0 && PART_DISPOSED == 1,
	       "states and kinds of the statements");
_Static_assert(STATEMENT_COUNT <= SQL_STATEMENTS_MAX, "statements have room");

const struct sql_schema store_schema = {.what = "the store of ebb-flow",
					.application_id = STORE_ID,
					.version = STORE_VERSION,
					.steps = steps,
					.statements = statements,
					.statement_count = STATEMENT_COUNT};
