// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/append.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/ledger/chain.h"
#include "runtime/ledger/rules.h"

/* The last reading of m's account: 1, 0 if it has none, or -errno. */
static int last_of_account(struct db *db, const struct wire_meter *m, struct entry *last)
{
	int found;

	sql_bind_u64(&db->sql, DB_LAST_OF_ACCOUNT, 1, m->boot_us);
	sql_bind_text(&db->sql, DB_LAST_OF_ACCOUNT, 2, m->instance);
	found = sql_next(&db->sql, DB_LAST_OF_ACCOUNT);
	if (found == 1) {
		int err = db_entry(db, DB_LAST_OF_ACCOUNT, last);

		sql_reset(&db->sql, DB_LAST_OF_ACCOUNT);
		return err ? err : 1;
	}
	return found;
}

static int insert(struct db *db, const struct entry *e)
{
	int at = 1;

	sql_bind_u64(&db->sql, DB_INSERT, at++, e->id);
	for (size_t i = 0; i < METER_COLUMN_COUNT; i++, at++) {
		const struct column *c = &meter_columns[i];

		if (c->kind == COLUMN_TEXT)
			sql_bind_text(&db->sql, DB_INSERT, at, column_text(c, &e->meter));
		else
			sql_bind_u64(&db->sql, DB_INSERT, at, column_get(c, &e->meter));
	}
	sql_bind_blob(&db->sql, DB_INSERT, at++, e->prev_hash, SHA256_BYTES);
	sql_bind_blob(&db->sql, DB_INSERT, at, e->hash, SHA256_BYTES);
	return sql_run(&db->sql, DB_INSERT);
}

/* Links a reading behind the head. 0 or -errno. */
static int chain_on(struct db *db, const struct wire_meter *m)
{
	struct entry e = {.id = db->head_id + 1, .format = ENTRY_FORMAT, .meter = *m};
	int err;

	memcpy(e.prev_hash, db->head_hash, SHA256_BYTES);
	err = chain_hash(&e, e.hash);
	if (!err)
		err = insert(db, &e);
	if (err)
		return err;
	db->head_id = e.id;
	memcpy(db->head_hash, e.hash, SHA256_BYTES);
	return 0;
}

static int append_one(struct db *db, const struct wire_meter *m, struct append_report *report)
{
	const char *fault = rules_alone(m);
	struct entry last;
	int found = fault ? 0 : last_of_account(db, m, &last);

	if (found < 0)
		return found;
	if (found && m->seq <= last.meter.seq) {
		report->old++;
		return 0;
	}
	if (found)
		fault = rules_after(&last.meter, m);
	if (fault) {
		report->refused++;
		report->fault = fault;
		report->refused_meter = *m;
		return 0;
	}
	report->added++;
	return chain_on(db, m);
}

static int set_head(struct db *db)
{
	if (db->head_id == 0)
		return 0;
	sql_bind_u64(&db->sql, DB_SET_HEAD, 1, db->head_id);
	sql_bind_blob(&db->sql, DB_SET_HEAD, 2, db->head_hash, SHA256_BYTES);
	return sql_run(&db->sql, DB_SET_HEAD);
}

static int append_all(struct db *db, const struct wire_meter *meters, size_t count,
		      struct append_report *report)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++)
		err = append_one(db, &meters[i], report);
	if (!err && report->added)
		err = set_head(db);
	return err ? err : sql_run(&db->sql, DB_COMMIT);
}

int append_batch(struct db *db, const struct wire_meter *meters, size_t count,
		 struct append_report *out)
{
	struct append_report report = {0};
	uint64_t head_id = db->head_id;
	uint8_t head_hash[SHA256_BYTES];
	char why[sizeof(db->sql.why)];
	int err;

	if (db->sql.broken)
		return -db->sql.broken;
	memcpy(head_hash, db->head_hash, SHA256_BYTES);
	err = sql_run(&db->sql, DB_BEGIN);
	if (err == -EBUSY)
		return err;
	if (!err)
		err = append_all(db, meters, count, &report);
	if (!err) {
		*out = report;
		sql_checkpoint(&db->sql);
		return 0;
	}
	memcpy(why, db->sql.why, sizeof(why));
	/* SQLite may have rolled back already; a second ROLLBACK is then an error. */
	(void)sql_run(&db->sql, DB_ROLLBACK);
	memcpy(db->sql.why, why, sizeof(why));
	db->head_id = head_id;
	memcpy(db->head_hash, head_hash, SHA256_BYTES);
	sql_break(&db->sql, -err);
	return err;
}
