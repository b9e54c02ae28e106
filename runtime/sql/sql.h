/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database of SQLite with a WAL and synchronous=FULL. Every function may block on the disk.
 *
 * A commit that returned 0 survives a power cut. After a write or a commit failed for any reason
 * but a lock held by another program, the database is broken for this process: Linux reports a lost
 * write-back once, at fsync(2), then forgets the dirty page, so a later fsync that succeeds says
 * nothing about the earlier data. The next process starts from what the file really holds: sql_open
 * copies all that recovery found in the WAL into the main file and syncs it.
 */
#ifndef EBB_SQL_SQL_H
#define EBB_SQL_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQL_BUSY_MS        2000
#define SQL_WAL_PAGES      1000 /* a longer WAL is copied into the main file */
#define SQL_STATEMENTS_MAX 128

struct sqlite3;
struct sqlite3_stmt;
struct shm;

struct sql_schema {
	const char *what; /* "the store of schedules", for messages */
	uint32_t application_id, version;
	const char *const *steps;      /* step n brings a database from version n to n + 1 */
	const char *const *statements; /* by number */
	size_t statement_count;
};

struct sql {
	struct sqlite3 *db;
	struct shm *shm;
	struct sqlite3_stmt *statements[SQL_STATEMENTS_MAX];
	size_t statement_count;
	int wal_pages;
	int broken;    /* 0, or the positive errno of the first failed write */
	char why[256]; /* SQLite's words about the last failure */
};

/* Opens or makes the database, brings its schema up to date and makes its content durable. 0 or
 * -errno with s->why set: -EPROTO when a newer ebb made the database, -EBADMSG when it is damaged
 * or belongs to another program. */
int sql_open(struct sql *s, const char *path, const struct sql_schema *schema);
void sql_close(struct sql *s); /* one of zeros is fine */

/* Runs a statement that returns no row. 0 or -errno. */
int sql_run(struct sql *s, size_t which);
/* The next row: 1, 0 when there is none left (the statement is then reset), or -errno. */
int sql_next(struct sql *s, size_t which);
void sql_reset(struct sql *s, size_t which);
void sql_bind_u64(struct sql *s, size_t which, int at, uint64_t value);
void sql_bind_text(struct sql *s, size_t which, int at, const char *text); /* borrowed */
void sql_bind_blob(struct sql *s, size_t which, int at, const void *bytes, size_t size); /* too */
uint64_t sql_u64(struct sql *s, size_t which, int at);
/* Copies a text column; a longer text is cut. */
void sql_text(struct sql *s, size_t which, int at, char *dst, size_t size);
/* The bytes of a text or blob column, valid until the next row, and their number. NULL: none. */
const void *sql_bytes(struct sql *s, size_t which, int at, size_t *out_size);
bool sql_is_null(struct sql *s, size_t which, int at);

/* Marks the database as broken: this process acknowledges nothing from it again. */
void sql_break(struct sql *s, int err);
/* Copies a WAL of more than SQL_WAL_PAGES into the main file. SQLite would do so by itself, but
 * would not report a failure of that sync; here the failure breaks the database. */
void sql_checkpoint(struct sql *s);

#endif
