/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database of the ledger: SQLite, WAL, synchronous=FULL; the one folder that includes
 * sqlite3.h.
 *
 * A commit that returned 0 survives a power cut. After a write or a commit failed for any reason
 * but a lock held by another program, the database is broken for this process: Linux reports a lost
 * write-back once, at fsync(2), then forgets the dirty page, so a later fsync that succeeds says
 * nothing about the earlier data. db_broken() then stays set; reading goes on. The next process
 * starts from what the file really holds: db_open copies all that recovery found in the WAL into
 * the main file and syncs that (a fresh write, so a fresh verdict) before anything is acknowledged.
 */
#ifndef EBB_LEDGER_DB_H
#define EBB_LEDGER_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/ledger/entry.h"

#define DB_SCHEMA_VERSION 1
#define DB_APPLICATION_ID 0x6562624c /* "ebbL", shown by file(1) */
#define DB_BUSY_MS        2000
#define DB_WAL_PAGES      1000 /* a longer WAL is copied into the main file */

/* One prepared statement each. */
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
	int wal_pages; /* in the WAL after the last commit */
	int broken;    /* 0, or the positive errno of the first failed write */
	char why[256]; /* SQLite's words about the last failure */
};

/* Opens or makes the database, brings its schema up to date and makes its content durable. 0 or
 * -errno with db->why set: -EPROTO when a newer ebb made it, -EBADMSG when it is damaged or another
 * program's. Creates files beside it (-wal, -shm). May block for DB_BUSY_MS. */
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

/* A whole row of the statements that select one. -EBADMSG when a hash has the wrong size. */
int db_entry(struct db *db, enum db_statement which, struct entry *out);
/* The head as the file has it, which need not be the last row if somebody meddled. 1 (found), 0,
 * -errno. */
int db_read_head(struct db *db, uint64_t *id, uint8_t hash[SHA256_BYTES]);

/* Copies a long WAL into the main file. SQLite would do so by itself, but would not say when that
 * sync failed; here a failure breaks the database. */
void db_checkpoint(struct db *db);

/* Marks the database as never to be acknowledged from again. */
void db_break(struct db *db, int err);

#endif
