/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database of the ledger: its tables, its statements, its rows. Statements are run by
 * runtime/sql, which also says what a commit promises.
 */
#ifndef EBB_LEDGER_DB_H
#define EBB_LEDGER_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/ledger/entry.h"
#include "runtime/sql/sql.h"

#define DB_SCHEMA_VERSION 3
#define DB_APPLICATION_ID 0x6562624c /* "ebbL", shown by file(1) */

/* Each name is one prepared statement. */
/* clang-format off */
#define DB_STATEMENTS(X) \
	X(BEGIN) X(COMMIT) X(ROLLBACK) X(INSERT) X(SET_HEAD) X(GET_HEAD) X(LAST_OF_ACCOUNT) \
	X(BEFORE_IN_ACCOUNT) X(FROM_ID) X(WINDOW) X(SPAN_COUNT) X(SPAN)
/* clang-format on */
#define X(name) DB_##name,
enum db_statement { DB_STATEMENTS(X) DB_STATEMENT_COUNT };
#undef X

struct db {
	struct sql sql;
	uint64_t head_id; /* last committed row, 0 = none */
	uint8_t head_hash[SHA256_BYTES];
};

/* Opens or makes the database, as sql_open does, and reads its head. 0 or -errno with db->sql.why
 * set. Creates files beside path (-wal, -shm). May wait SQL_BUSY_MS for the lock of another
 * program. */
int db_open(struct db *db, const char *path);
void db_close(struct db *db); /* a db of zeros is fine */

/* Reads the present row of a statement that selects whole rows. 0, or -EBADMSG when a hash has the
 * wrong size or a value does not fit its field. */
int db_entry(struct db *db, enum db_statement which, struct entry *out);
/* Reads the head that the file names. It is not the last row if somebody has changed the file. 1
 * when found, 0 when the file names none, or -errno. */
int db_read_head(struct db *db, uint64_t *id, uint8_t hash[SHA256_BYTES]);

#endif
