// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/sql/shm.h"

/* clang-format off */
#define NAME(type, change, field) ", " #field
#define SLOT(type, change, field) ", ?"
#define ENTRY_COLUMNS "id" METER_COLUMNS(NAME) ", prev_hash, hash"

/* Step n brings a database from schema n to n + 1. Steps are added and never edited. They are
 * written out, not made from METER_COLUMNS, because databases exist that were made by exactly these
 * words. A test compares the tables that the steps make with METER_COLUMNS. */
static const char *const schema_steps[DB_SCHEMA_VERSION] = {
	"CREATE TABLE meter (id INTEGER PRIMARY KEY,"
	" boot_us INTEGER NOT NULL CHECK (boot_us >= 0),"
	" instance TEXT NOT NULL CHECK (instance <> ''),"
	" service TEXT NOT NULL CHECK (service <> ''),"
	" revision INTEGER NOT NULL CHECK (revision >= 0),"
	" cgroup_id INTEGER NOT NULL CHECK (cgroup_id >= 0),"
	" seq INTEGER NOT NULL CHECK (seq >= 0),"
	" reason INTEGER NOT NULL CHECK (reason >= 0),"
	" read_us INTEGER NOT NULL CHECK (read_us >= 0),"
	" lived_us INTEGER NOT NULL CHECK (lived_us >= 0),"
	" cpu_us INTEGER NOT NULL CHECK (cpu_us >= 0),"
	" cpu_user_us INTEGER NOT NULL CHECK (cpu_user_us >= 0),"
	" cpu_system_us INTEGER NOT NULL CHECK (cpu_system_us >= 0),"
	" cpu_init_us INTEGER NOT NULL CHECK (cpu_init_us >= 0),"
	" awake_us INTEGER NOT NULL CHECK (awake_us >= 0),"
	" frozen_us INTEGER NOT NULL CHECK (frozen_us >= 0),"
	" invocations INTEGER NOT NULL CHECK (invocations >= 0),"
	" memory_mb INTEGER NOT NULL CHECK (memory_mb >= 0), "
	" prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),"
	" hash BLOB NOT NULL CHECK (length(hash) = 32),"
	" UNIQUE (boot_us, instance, seq)) STRICT;"
	"CREATE INDEX meter_read_us ON meter (read_us);"
	"CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1),"
	" id INTEGER NOT NULL REFERENCES meter (id), hash BLOB NOT NULL) STRICT;"
	/* The triggers guard against a slip in a shell; the chain guards against an attacker. */
	"CREATE TRIGGER meter_keeps BEFORE UPDATE ON meter"
	" BEGIN SELECT raise(ABORT, 'the ledger only grows'); END;"
	"CREATE TRIGGER meter_stays BEFORE DELETE ON meter"
	" BEGIN SELECT raise(ABORT, 'the ledger only grows'); END;",
	/* Rows that are there have NULL: their hashes know nothing of these columns. */
	("ALTER TABLE meter ADD COLUMN net_out_bytes INTEGER;"
	 "ALTER TABLE meter ADD COLUMN net_in_bytes INTEGER;"
	 "ALTER TABLE meter ADD COLUMN net_connections INTEGER;"),
	("ALTER TABLE meter ADD COLUMN wakes INTEGER;"
	 "ALTER TABLE meter ADD COLUMN wake_us INTEGER;"),
};

static const char *const statement_texts[DB_STATEMENT_COUNT] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE",
	[DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",
	[DB_INSERT] = "INSERT INTO meter (" ENTRY_COLUMNS ") VALUES (?" METER_COLUMNS(SLOT) ", ?, ?)",
	[DB_SET_HEAD] = "INSERT INTO head (one, id, hash) VALUES (1, ?1, ?2)"
			" ON CONFLICT (one) DO UPDATE SET id = ?1, hash = ?2",
	[DB_GET_HEAD] = "SELECT id, hash FROM head",
	[DB_LAST_OF_ACCOUNT] = "SELECT " ENTRY_COLUMNS " FROM meter WHERE boot_us = ? AND instance = ?"
			       " ORDER BY seq DESC LIMIT 1",
	[DB_BEFORE_IN_ACCOUNT] = "SELECT " ENTRY_COLUMNS " FROM meter WHERE boot_us = ?"
				 " AND instance = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
	[DB_FROM_ID] = "SELECT " ENTRY_COLUMNS " FROM meter WHERE id >= ? ORDER BY id LIMIT ?",
	[DB_WINDOW] = "SELECT service, boot_us, instance, seq FROM meter"
		      " WHERE read_us > ?1 AND read_us <= ?2 AND (?3 = '' OR service = ?3)",
	[DB_SPAN_COUNT] = "SELECT count(*) FROM meter WHERE boot_us = ? AND instance = ?"
			  " AND seq BETWEEN ? AND ?",
	[DB_SPAN] = "SELECT " ENTRY_COLUMNS " FROM meter WHERE boot_us = ? AND instance = ?"
		    " AND seq BETWEEN ? AND ? ORDER BY seq",
};

/* The root has no directory for temporary files, so SQLite keeps them in memory. */
static const char pragmas[] =
	"PRAGMA synchronous = FULL;"
	"PRAGMA foreign_keys = ON;"
	"PRAGMA temp_store = MEMORY;"
	"PRAGMA trusted_schema = OFF;"
	"PRAGMA cell_size_check = ON;"
	"PRAGMA journal_size_limit = 4194304;";
/* clang-format on */

static const struct {
	int sqlite, err;
} error_table[] = {
	{SQLITE_FULL, ENOSPC},    {SQLITE_BUSY, EBUSY},      {SQLITE_LOCKED, EBUSY},
	{SQLITE_NOMEM, ENOMEM},   {SQLITE_READONLY, EROFS},  {SQLITE_CORRUPT, EBADMSG},
	{SQLITE_NOTADB, EBADMSG}, {SQLITE_CANTOPEN, ENOENT}, {SQLITE_TOOBIG, E2BIG},
};

/* Remembers what SQLite said and returns it as -errno. */
static int failed(struct db *db, int rc)
{
	snprintf(db->why, sizeof(db->why), "%s (%s)", sqlite3_errmsg(db->sql), sqlite3_errstr(rc));
	for (size_t i = 0; i < ARRAY_LEN(error_table); i++)
		if ((rc & 0xff) == error_table[i].sqlite)
			return -error_table[i].err;
	return -EIO;
}

static int refused(struct db *db, int err, const char *why)
{
	snprintf(db->why, sizeof(db->why), "%s", why);
	return err;
}

static int run_text(struct db *db, const char *text)
{
	int rc = sqlite3_exec(db->sql, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : failed(db, rc);
}

/* Runs a statement that returns one value, and copies the value as text. */
static int ask(struct db *db, const char *text, char *answer, size_t size)
{
	sqlite3_stmt *s = NULL;
	const char *value;
	int rc = sqlite3_prepare_v2(db->sql, text, -1, &s, NULL);
	int err = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc != SQLITE_ROW) {
		err = failed(db, rc);
	} else {
		value = (const char *)sqlite3_column_text(s, 0);
		snprintf(answer, size, "%s", value ? value : "");
	}
	sqlite3_finalize(s);
	return err;
}

static int ask_u64(struct db *db, const char *text, uint64_t *out)
{
	char answer[32];
	int err = ask(db, text, answer, sizeof(answer));

	return err ? err : text_parse_u64(answer, 0, INT64_MAX, out);
}

static int on_wal(void *self, sqlite3 *sql, const char *name, int pages)
{
	struct db *db = self;

	db->wal_pages = pages;
	return SQLITE_OK;
}

static int set_modes(struct db *db)
{
	char mode[16];
	int err;

	sqlite3_extended_result_codes(db->sql, 1);
	sqlite3_busy_timeout(db->sql, DB_BUSY_MS);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sql, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	err = ask(db, "PRAGMA journal_mode = WAL", mode, sizeof(mode));
	if (err)
		return err;
	if (strcmp(mode, "wal") != 0)
		return refused(db, -ENOTSUP, "this file system cannot hold a WAL database");
	sqlite3_wal_hook(db->sql, on_wal, db);
	return run_text(db, pragmas);
}

static int schema_upgrade(struct db *db)
{
	uint64_t version, app;
	char text[96];
	int err = ask_u64(db, "PRAGMA user_version", &version);

	if (!err)
		err = ask_u64(db, "PRAGMA application_id", &app);
	if (err)
		return err;
	if (version > DB_SCHEMA_VERSION)
		return refused(db, -EPROTO, "a newer ebb made this ledger: use that one");
	if (version > 0 && app != DB_APPLICATION_ID)
		return refused(db, -EBADMSG, "this database is not a ledger of ebb");
	if (version == DB_SCHEMA_VERSION)
		return 0;
	err = run_text(db, "BEGIN IMMEDIATE");
	for (; !err && version < DB_SCHEMA_VERSION; version++)
		err = run_text(db, schema_steps[version]);
	snprintf(text, sizeof(text), "PRAGMA user_version = %d; PRAGMA application_id = %d; COMMIT",
		 DB_SCHEMA_VERSION, DB_APPLICATION_ID);
	return err ? err : run_text(db, text);
}

/* Pages that an earlier process left in the WAL may never have reached the disk (db.h). */
static int make_durable(struct db *db)
{
	uint64_t busy;
	int err = ask_u64(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy);

	if (!err && busy)
		err = refused(db, -EBUSY, "another program holds the ledger open");
	return err;
}

static int prepare_all(struct db *db)
{
	for (size_t i = 0; i < DB_STATEMENT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(db->sql, statement_texts[i], -1,
					    SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL);

		if (rc != SQLITE_OK)
			return failed(db, rc);
	}
	return 0;
}

static int guard_shm(struct db *db)
{
	int err = shm_guard(db->sql, &db->shm);

	return err ? refused(db, err, "SQLite's shared memory cannot be guarded") : 0;
}

int db_open(struct db *db, const char *path)
{
	int err, rc;

	*db = (struct db){0};
	rc = sqlite3_open_v2(path, &db->sql,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
				     SQLITE_OPEN_NOFOLLOW,
			     NULL);
	err = rc == SQLITE_OK ? guard_shm(db) : failed(db, rc);
	if (!err)
		err = set_modes(db);
	if (!err)
		err = schema_upgrade(db);
	if (!err)
		err = make_durable(db);
	if (!err)
		err = prepare_all(db);
	if (!err)
		err = db_read_head(db, &db->head_id, db->head_hash);
	return err < 0 ? err : 0;
}

void db_close(struct db *db)
{
	for (size_t i = 0; i < DB_STATEMENT_COUNT; i++)
		sqlite3_finalize(db->statements[i]);
	sqlite3_close(db->sql);
	shm_free(db->shm);
	*db = (struct db){0};
}

int db_run(struct db *db, enum db_statement which)
{
	int rc = sqlite3_step(db->statements[which]);
	int err = rc == SQLITE_DONE ? 0 : failed(db, rc);

	sqlite3_reset(db->statements[which]);
	return err;
}

int db_next(struct db *db, enum db_statement which)
{
	int rc = sqlite3_step(db->statements[which]);
	int err;

	if (rc == SQLITE_ROW)
		return 1;
	err = rc == SQLITE_DONE ? 0 : failed(db, rc);
	sqlite3_reset(db->statements[which]);
	return err;
}

void db_reset(struct db *db, enum db_statement which)
{
	sqlite3_reset(db->statements[which]);
}

void db_bind_u64(struct db *db, enum db_statement which, int at, uint64_t value)
{
	must(value <= INT64_MAX);
	must(sqlite3_bind_int64(db->statements[which], at, (int64_t)value) == SQLITE_OK);
}

void db_bind_text(struct db *db, enum db_statement which, int at, const char *text)
{
	must(sqlite3_bind_text(db->statements[which], at, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void db_bind_blob(struct db *db, enum db_statement which, int at, const void *bytes, size_t size)
{
	must(sqlite3_bind_blob64(db->statements[which], at, bytes, size, SQLITE_STATIC) ==
	     SQLITE_OK);
}

uint64_t db_u64(struct db *db, enum db_statement which, int at)
{
	return (uint64_t)sqlite3_column_int64(db->statements[which], at);
}

void db_text(struct db *db, enum db_statement which, int at, char *dst, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(db->statements[which], at);

	snprintf(dst, size, "%s", text ? text : "");
}

/* Copies a hash column. 0, or -EBADMSG if it has another size. */
static int hash_at(struct db *db, enum db_statement which, int at, uint8_t hash[SHA256_BYTES])
{
	sqlite3_stmt *s = db->statements[which];
	const void *bytes = sqlite3_column_blob(s, at);

	if (!bytes || sqlite3_column_bytes(s, at) != SHA256_BYTES)
		return refused(db, -EBADMSG, "a hash is not 32 bytes long");
	memcpy(hash, bytes, SHA256_BYTES);
	return 0;
}

/* Reads a column into its field. A value that the field would change (a wider number, a longer
 * text, a NUL inside) is refused, because the hash would not see the difference. */
static int field_at(struct db *db, enum db_statement which, int at, const struct column *c,
		    char *field)
{
	uint64_t wide = db_u64(db, which, at);
	uint32_t narrow = (uint32_t)wide;

	if (c->kind == COLUMN_TEXT) {
		db_text(db, which, at, field, c->size);
		if ((size_t)sqlite3_column_bytes(db->statements[which], at) == strlen(field))
			return 0;
		return refused(db, -EBADMSG, "a text has a length that no ledger writes");
	}
	if (c->kind == COLUMN_U64) {
		memcpy(field, &wide, sizeof(wide));
		return 0;
	}
	memcpy(field, &narrow, sizeof(narrow));
	return wide == narrow ? 0 : refused(db, -EBADMSG, "a number is wider than 32 bits");
}

/* A row of an older format has NULL in all columns that came later, and only there. 0 with the
 * format, or -EBADMSG. */
static int format_at(struct db *db, enum db_statement which, uint32_t *out)
{
	sqlite3_stmt *s = db->statements[which];
	size_t there = METER_COLUMN_COUNT;
	uint32_t format = 1;

	while (there > METER_COLUMN_COUNT_1 && sqlite3_column_type(s, (int)there) == SQLITE_NULL)
		there--;
	while (format < ENTRY_FORMAT && entry_columns(format) < there)
		format++;
	for (size_t at = METER_COLUMN_COUNT_1; at < there; at++)
		if (sqlite3_column_type(s, 1 + (int)at) == SQLITE_NULL)
			there = 0;
	if (entry_columns(format) != there)
		return refused(db, -EBADMSG, "some columns of its format are missing");
	*out = format;
	return 0;
}

int db_entry(struct db *db, enum db_statement which, struct entry *out)
{
	struct entry e = {.id = db_u64(db, which, 0)};
	int at = 1, err = format_at(db, which, &e.format);

	for (size_t i = 0; !err && i < METER_COLUMN_COUNT; i++, at++)
		err = field_at(db, which, at, &meter_columns[i],
			       (char *)&e.meter + meter_columns[i].offset);
	at = 1 + METER_COLUMN_COUNT;
	if (!err)
		err = hash_at(db, which, at, e.prev_hash);
	if (!err)
		err = hash_at(db, which, at + 1, e.hash);
	if (!err)
		*out = e;
	return err;
}

int db_read_head(struct db *db, uint64_t *id, uint8_t hash[SHA256_BYTES])
{
	int found = db_next(db, DB_GET_HEAD);
	uint8_t read_hash[SHA256_BYTES];
	int err;

	if (found <= 0)
		return found;
	err = hash_at(db, DB_GET_HEAD, 1, read_hash);
	if (!err) {
		*id = db_u64(db, DB_GET_HEAD, 0);
		memcpy(hash, read_hash, SHA256_BYTES);
	}
	db_reset(db, DB_GET_HEAD);
	return err ? err : 1;
}

void db_break(struct db *db, int err)
{
	if (!db->broken)
		db->broken = err;
}

void db_checkpoint(struct db *db)
{
	int rc;

	if (db->wal_pages < DB_WAL_PAGES)
		return;
	db->wal_pages = 0;
	rc = sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		db_break(db, -failed(db, rc));
}
