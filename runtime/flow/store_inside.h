/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the store on SQLite, for the store_*.c files. */
#ifndef EBB_FLOW_STORE_INSIDE_H
#define EBB_FLOW_STORE_INSIDE_H

#include "runtime/flow/store.h"
#include "runtime/sql/sql.h"

/* Each name is one prepared statement. */
/* clang-format off */
#define STATEMENTS(X) \
	X(BEGIN) X(COMMIT) X(PUT_SCHEDULE) X(DROP_SCHEDULE) X(DROP_RUNS) X(PUT_RUN) X(TRIM) \
	X(SCHEDULE) X(SCHEDULES) X(OPEN_RUNS) X(RUNS) \
	X(MAKE_TOPIC) X(MAKE_CONSUMER) X(FILL_CONSUMER) X(PUT_CONSUMER) X(DROP_CONSUMER) X(DROP_TOPIC) X(FREE_BYTES) \
	X(PUT_MESSAGE) X(PUT_SENT) X(PUT_DELIVERIES) X(PUT_DELIVERY) X(NEXT_OF_LANE) \
	X(DROP_DELIVERY) X(DROP_MESSAGE) X(KEEP) X(FORGET_KEYS) X(SENT) X(DUE) X(DELIVERY) \
	X(ANY_DELIVERY) X(MESSAGE) X(FIRST_DUE) X(FIRST_EXPIRY) X(LAST_NUMBER) X(TOPICS) \
	X(CONSUMERS) X(DELIVERIES) X(COUNT) X(MESSAGES) \
	X(WORKSPACES) X(MAKE_WORKSPACE) X(MAKE_WORK) X(PUT_WORK) X(WORK) X(WORKS) X(WORKS_DOWN) \
	X(WORKS_STATE) X(WORKS_STATE_DOWN) X(WORKS_NAME) X(WORKS_NAME_DOWN) X(OLDEST_OVER) \
	X(FIRST_OVER) X(DROP_WORK) X(DROP_WORK_EVENTS) X(DROP_WORK_PARTS) X(PUT_EVENT) X(EVENT) \
	X(EVENT_ONCE) X(EVENTS) X(EVENTS_DOWN) X(EVENTS_ABOUT) X(EVENTS_ABOUT_DOWN) \
	X(EVENTS_OF_RUN_ABOUT) X(EVENTS_OF_RUN_ABOUT_DOWN) X(PUT_PART) X(PART) \
	X(ANY_PART) X(HOOK_OF_TOKEN) X(PARTS) X(PARTS_DOWN) X(HOOKS) X(HOOKS_DOWN) X(DISPOSE_HOOKS) \
	X(MAKE_STREAM) X(PUT_STREAM) X(STREAM) X(STREAMS) X(FIRST_ALONE) X(JOIN_STREAMS) X(DROP_STREAM) \
	X(DROP_CHUNKS) X(PUT_CHUNK) X(CHUNKS) X(STREAMS_FULL) X(CHUNK_SIZES) X(EVENT_SIZES) X(PART_SIZES) \
	X(WORKS_NAME_STATE) X(WORKS_NAME_STATE_DOWN) X(ANY_HOOK)
#define X(name) DO_##name,
enum statement { STATEMENTS(X) STATEMENT_COUNT };
#undef X
/* clang-format on */

extern const struct sql_schema store_schema;

struct store {
	struct sql sql;
	bool begun; /* changes wait for a commit */
};

/* Begins a transaction, unless one is begun. 0 or -errno. */
int store_begin(struct store *s);
/* Runs a statement without rows; a failure breaks the store. */
int store_change(struct store *s, enum statement which);
/* The next row. Nobody else uses the file, so one that cannot be read is as broken as one that
 * cannot be written: an unlock that failed leaves it busy until this process ends. */
int store_next(struct store *s, enum statement which);
/* Runs a statement to its end; the number of its first column, if it has a row. 1, 0 or -errno. */
int store_ask(struct store *s, enum statement which, uint64_t *out);
/* The same for a change that has to have a row. 0 or -errno. */
int store_change_and_ask(struct store *s, enum statement which, uint64_t *out);
/* Binds parameters from the first on. */
void store_bind(struct store *s, enum statement which, const uint64_t *numbers, size_t count);

#endif
