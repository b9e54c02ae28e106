// SPDX-License-Identifier: Apache-2.0
#include "runtime/sql/sql.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/sql/shm.h"

/* The root has no directory for temporary files, so SQLite keeps them in memory. */
static const char pragmas[] = "PRAGMA synchronous = FULL;"
			      "PRAGMA foreign_keys = ON;"
			      "PRAGMA temp_store = MEMORY;"
			      "PRAGMA trusted_schema = OFF;"
			      "PRAGMA cell_size_check = ON;"
			      "PRAGMA journal_size_limit = 4194304;";

static const struct {
	int sqlite, err;
} error_table[] = {
	{SQLITE_FULL, ENOSPC},    {SQLITE_BUSY, EBUSY},      {SQLITE_LOCKED, EBUSY},
	{SQLITE_NOMEM, ENOMEM},   {SQLITE_READONLY, EROFS},  {SQLITE_CORRUPT, EBADMSG},
	{SQLITE_NOTADB, EBADMSG}, {SQLITE_CANTOPEN, ENOENT}, {SQLITE_TOOBIG, E2BIG},
};

/* Remembers what SQLite said and returns it as -errno. */
static int failed(struct sql *s, int rc)
{
	(void)snprintf(s->why, sizeof(s->why), "%s (%s)", sqlite3_errmsg(s->db),
		       sqlite3_errstr(rc));
	for (size_t i = 0; i < ARRAY_LEN(error_table); i++)
		if ((rc & 0xff) == error_table[i].sqlite)
			return -error_table[i].err;
	return -EIO;
}

/* what: of the schema, between two halves of a sentence. */
static int refused(struct sql *s, int err, const char *front, const char *what, const char *back)
{
	(void)snprintf(s->why, sizeof(s->why), "%s%s%s", front, what, back);
	return err;
}

static int run_text(struct sql *s, const char *text)
{
	int rc = sqlite3_exec(s->db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : failed(s, rc);
}

/* Runs a statement that returns one value, and copies the value as text. */
static int ask(struct sql *s, const char *text, char *answer, size_t size)
{
	sqlite3_stmt *statement = NULL;
	const char *value;
	int rc = sqlite3_prepare_v2(s->db, text, -1, &statement, NULL);
	int err = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc != SQLITE_ROW) {
		err = failed(s, rc);
	} else {
		value = (const char *)sqlite3_column_text(statement, 0);
		(void)snprintf(answer, size, "%s", value ? value : "");
	}
	sqlite3_finalize(statement);
	return err;
}

static int ask_u64(struct sql *s, const char *text, uint64_t *out)
{
	char answer[32];
	int err = ask(s, text, answer, sizeof(answer));

	return err ? err : text_parse_u64(answer, 0, INT64_MAX, out);
}

static int on_wal(void *self, sqlite3 *db, const char *name, int pages)
{
	struct sql *s = self;

	(void)db;
	(void)name;
	s->wal_pages = pages;
	return SQLITE_OK;
}

static int set_modes(struct sql *s, const struct sql_schema *schema)
{
	char mode[16];
	int err;

	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, SQL_BUSY_MS);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	err = ask(s, "PRAGMA journal_mode = WAL", mode, sizeof(mode));
	if (err)
		return err;
	if (strcmp(mode, "wal") != 0)
		return refused(s, -ENOTSUP, "this file system cannot hold ", schema->what, "");
	sqlite3_wal_hook(s->db, on_wal, s);
	return run_text(s, pragmas);
}

static int schema_upgrade(struct sql *s, const struct sql_schema *schema)
{
	uint64_t version, app;
	char text[128];
	int err = ask_u64(s, "PRAGMA user_version", &version);

	if (!err)
		err = ask_u64(s, "PRAGMA application_id", &app);
	if (err)
		return err;
	if (version > schema->version)
		return refused(s, -EPROTO, "a newer ebb made ", schema->what, ": use that one");
	if (version > 0 && app != schema->application_id)
		return refused(s, -EBADMSG, "this database is not ", schema->what, "");
	if (version == schema->version)
		return 0;
	err = run_text(s, "BEGIN IMMEDIATE");
	for (; !err && version < schema->version; version++)
		err = run_text(s, schema->steps[version]);
	(void)snprintf(text, sizeof(text),
		       "PRAGMA user_version = %u; PRAGMA application_id = %u; COMMIT",
		       schema->version, schema->application_id);
	return err ? err : run_text(s, text);
}

/* Pages that an earlier process left in the WAL may never have reached the disk (sql.h). */
static int make_durable(struct sql *s, const struct sql_schema *schema)
{
	uint64_t busy;
	int err = ask_u64(s, "PRAGMA wal_checkpoint(TRUNCATE)", &busy);

	if (!err && busy)
		err = refused(s, -EBUSY, "another program holds ", schema->what, " open");
	return err;
}

static int prepare_all(struct sql *s, const struct sql_schema *schema)
{
	must(schema->statement_count <= SQL_STATEMENTS_MAX);
	s->statement_count = schema->statement_count;
	for (size_t i = 0; i < schema->statement_count; i++) {
		int rc = sqlite3_prepare_v3(s->db, schema->statements[i], -1,
					    SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);

		if (rc != SQLITE_OK)
			return failed(s, rc);
	}
	return 0;
}

static int guard_shm(struct sql *s)
{
	int err = shm_guard(s->db, &s->shm);

	return err ? refused(s, err, "SQLite's shared memory cannot be guarded", "", "") : 0;
}

int sql_open(struct sql *s, const char *path, const struct sql_schema *schema)
{
	int err, rc;

	*s = (struct sql){0};
	rc = sqlite3_open_v2(path, &s->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
				     SQLITE_OPEN_NOFOLLOW,
			     NULL);
	err = rc == SQLITE_OK ? guard_shm(s) : failed(s, rc);
	if (!err)
		err = set_modes(s, schema);
	if (!err)
		err = schema_upgrade(s, schema);
	if (!err)
		err = make_durable(s, schema);
	if (!err)
		err = prepare_all(s, schema);
	return err;
}

void sql_close(struct sql *s)
{
	for (size_t i = 0; i < s->statement_count; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	shm_free(s->shm);
	*s = (struct sql){0};
}

int sql_run(struct sql *s, size_t which)
{
	int rc = sqlite3_step(s->statements[which]);
	int err = rc == SQLITE_DONE ? 0 : failed(s, rc);

	sqlite3_reset(s->statements[which]);
	return err;
}

int sql_next(struct sql *s, size_t which)
{
	int rc = sqlite3_step(s->statements[which]);
	int err;

	if (rc == SQLITE_ROW)
		return 1;
	err = rc == SQLITE_DONE ? 0 : failed(s, rc);
	sqlite3_reset(s->statements[which]);
	return err;
}

void sql_reset(struct sql *s, size_t which)
{
	sqlite3_reset(s->statements[which]);
}

void sql_bind_u64(struct sql *s, size_t which, int at, uint64_t value)
{
	must(value <= INT64_MAX);
	must(sqlite3_bind_int64(s->statements[which], at, (int64_t)value) == SQLITE_OK);
}

void sql_bind_text(struct sql *s, size_t which, int at, const char *text)
{
	must(sqlite3_bind_text(s->statements[which], at, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void sql_bind_blob(struct sql *s, size_t which, int at, const void *bytes, size_t size)
{
	must(sqlite3_bind_blob64(s->statements[which], at, bytes, size, SQLITE_STATIC) ==
	     SQLITE_OK);
}

uint64_t sql_u64(struct sql *s, size_t which, int at)
{
	return (uint64_t)sqlite3_column_int64(s->statements[which], at);
}

void sql_text(struct sql *s, size_t which, int at, char *dst, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(s->statements[which], at);

	(void)snprintf(dst, size, "%s", text ? text : "");
}

const void *sql_bytes(struct sql *s, size_t which, int at, size_t *out_size)
{
	const void *bytes = sqlite3_column_blob(s->statements[which], at);

	*out_size = (size_t)sqlite3_column_bytes(s->statements[which], at);
	return bytes;
}

bool sql_is_null(struct sql *s, size_t which, int at)
{
	return sqlite3_column_type(s->statements[which], at) == SQLITE_NULL;
}

void sql_break(struct sql *s, int err)
{
	if (!s->broken)
		s->broken = err;
}

void sql_checkpoint(struct sql *s)
{
	int rc;

	if (s->wal_pages < SQL_WAL_PAGES)
		return;
	s->wal_pages = 0;
	rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		sql_break(s, -failed(s, rc));
}
