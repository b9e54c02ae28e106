/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the store on SQLite, for store_sqlite.c and store_queues.c. */
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
	X(CONSUMERS) X(DELIVERIES) X(COUNT) X(MESSAGES)
#define X(name) DO_##name,
enum statement { STATEMENTS(X) STATEMENT_COUNT };
#undef X
/* clang-format on */

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

#endif
