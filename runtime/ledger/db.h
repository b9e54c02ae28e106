/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database of the ledger: SQLite with a WAL and synchronous=FULL. No folder but this one
 * includes sqlite3.h. Every function may block on the disk.
 *
 * A commit that returned 0 survives a power cut. After a write or a commit failed for any reason
 * but a lock held by another program, the database is broken for this process: Linux reports a lost
 * write-back once, at fsync(2), then forgets the dirty page, so a later fsync that succeeds says
 * nothing about the earlier data. db.broken then stays set; reading goes on. The next process
 * starts from what the file really holds: db_open copies all that recovery found in the WAL into
 * the main file and syncs the file before anything is acknowledged. Those pages are written anew,
 * so the result of that sync is about them.
 */
#ifndef EBB_LEDGER_DB_H
#define EBB_LEDGER_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/ledger/entry.h"

#define DB_SCHEMA_VERSION 3
#define DB_APPLICATION_ID 0x6562624c /* "ebbL", shown by file(1) */
#define DB_BUSY_MS        2000
#define DB_WAL_PAGES      1000 /* a longer WAL is copied into the main file */

/* Each name is one prepared statement. */
/* clang-format off */
#define DB_STATEMENTS(X) \
	X(BEGIN) X(COMMIT) X(ROLLBACK) X(INSERT) X(SET_HEAD) X(GET_HEAD) X(LAST_OF_ACCOUNT) \
	X(BEFORE_IN_ACCOUNT) X(FROM_ID) X(WINDOW) X(SPAN_COUNT) X(SPAN)
/* clang-format on */
#define X(name) DB_##name,
enum db_statement { DB_STATEMENTS(X) DB_STATEMENT_COUNT };
#undef X

struct sqlite3;
struct sqlite3_stmt;
struct shm;

struct db {
	struct sqlite3 *sql;
	struct shm *shm;
	struct sqlite3_stmt *statements[DB_STATEMENT_COUNT];
	uint64_t head_id; /* last committed row, 0 = none */
	uint8_t head_hash[SHA256_BYTES];
	int wal_pages; /* pages in the WAL after the last commit */
	int broken;    /* 0, or the positive errno of the first failed write */
	char why[256]; /* SQLite's words about the last failure */
};

/* Opens or makes the database, brings its schema up to date and makes its content durable. 0 or
 * -errno with db->why set: -EPROTO when a newer ebb made the database, -EBADMSG when it is damaged
 * or belongs to another program. Creates files beside path (-wal, -shm). May wait DB_BUSY_MS for
 * the lock of another program. */
int db_open(struct db *db, const char *path);
void db_close(struct db *db); /* a db of zeros is fine */

/* Runs a statement that returns no row. 0 or -errno. */
int db_run(struct db *db, enum db_statement which);
/* The next row: 1, 0 when there is none left (the statement is then reset), or -errno. */
int db_next(struct db *db, enum db_statement which);
void db_reset(struct db *db, enum db_statement which);
void db_bind_u64(struct db *db, enum db_statement which, int at, uint64_t value);
void db_bind_text(struct db *db, enum db_statement which, int at, const char *text);
void db_bind_blob(struct db *db, enum db_statement which, int at, const void *bytes, size_t size);
uint64_t db_u64(struct db *db, enum db_statement which, int at);
/* Copies a text column; a longer text is cut. */
void db_text(struct db *db, enum db_statement which, int at, char *dst, size_t size);

/* Reads the present row of a statement that selects whole rows. 0, or -EBADMSG when a hash has the
 * wrong size or a value does not fit its field. */
int db_entry(struct db *db, enum db_statement which, struct entry *out);
/* Reads the head that the file names. It is not the last row if somebody has changed the file. 1
 * when found, 0 when the file names none, or -errno. */
int db_read_head(struct db *db, uint64_t *id, uint8_t hash[SHA256_BYTES]);

/* Copies a WAL of more than DB_WAL_PAGES into the main file. SQLite would do so by itself, but
 * would not report a failure of that sync; here the failure breaks the database. */
void db_checkpoint(struct db *db);

/* Marks the database as broken: this process acknowledges nothing from it again. */
void db_break(struct db *db, int err);

#endif
