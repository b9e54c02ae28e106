// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/db.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/text.h"

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
/* clang-format on */

static const struct sql_schema schema = {
	.what = "the ledger",
	.application_id = DB_APPLICATION_ID,
	.version = DB_SCHEMA_VERSION,
	.steps = schema_steps,
	.statements = statement_texts,
	.statement_count = DB_STATEMENT_COUNT,
};

static int refused(struct db *db, int err, const char *why)
{
	(void)text_copy(db->sql.why, sizeof(db->sql.why), why);
	return err;
}

int db_open(struct db *db, const char *path)
{
	int err;

	*db = (struct db){0};
	err = sql_open(&db->sql, path, &schema);
	if (!err)
		err = db_read_head(db, &db->head_id, db->head_hash);
	return err < 0 ? err : 0;
}

void db_close(struct db *db)
{
	sql_close(&db->sql);
	*db = (struct db){0};
}

/* Copies a hash column. 0, or -EBADMSG if it has another size. */
static int hash_at(struct db *db, enum db_statement which, int at, uint8_t hash[SHA256_BYTES])
{
	size_t size;
	const void *bytes = sql_bytes(&db->sql, which, at, &size);

	if (!bytes || size != SHA256_BYTES)
		return refused(db, -EBADMSG, "a hash is not 32 bytes long");
	memcpy(hash, bytes, SHA256_BYTES);
	return 0;
}

/* Reads a column into its field. A value that the field would change (a wider number, a longer
 * text, a NUL inside) is refused, because the hash would not see the difference. */
static int field_at(struct db *db, enum db_statement which, int at, const struct column *c,
		    char *field)
{
	uint64_t wide = sql_u64(&db->sql, which, at);
	uint32_t narrow = (uint32_t)wide;
	size_t size;

	if (c->kind == COLUMN_TEXT) {
		sql_text(&db->sql, which, at, field, c->size);
		(void)sql_bytes(&db->sql, which, at, &size);
		if (size == strlen(field))
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
	size_t there = METER_COLUMN_COUNT;
	uint32_t format = 1;

	while (there > METER_COLUMN_COUNT_1 && sql_is_null(&db->sql, which, (int)there))
		there--;
	while (format < ENTRY_FORMAT && entry_columns(format) < there)
		format++;
	for (size_t at = METER_COLUMN_COUNT_1; at < there; at++)
		if (sql_is_null(&db->sql, which, 1 + (int)at))
			there = 0;
	if (entry_columns(format) != there)
		return refused(db, -EBADMSG, "some columns of its format are missing");
	*out = format;
	return 0;
}

int db_entry(struct db *db, enum db_statement which, struct entry *out)
{
	struct entry e = {.id = sql_u64(&db->sql, which, 0)};
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
	int found = sql_next(&db->sql, DB_GET_HEAD);
	uint8_t read_hash[SHA256_BYTES];
	int err;

	if (found <= 0)
		return found;
	err = hash_at(db, DB_GET_HEAD, 1, read_hash);
	if (!err) {
		*id = sql_u64(&db->sql, DB_GET_HEAD, 0);
		memcpy(hash, read_hash, SHA256_BYTES);
	}
	sql_reset(&db->sql, DB_GET_HEAD);
	return err ? err : 1;
}
