// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/ledger/chain.h"
#include "runtime/ledger/rules.h"

int verify_begin(struct db *db, uint64_t first_id, struct verify *v)
{
	struct verify begun = {.next_id = first_id, .end_id = db->head_id};
	struct entry before;
	int err = 0;

	if (first_id > 1) {
		sql_bind_u64(&db->sql, DB_FROM_ID, 1, first_id - 1);
		sql_bind_u64(&db->sql, DB_FROM_ID, 2, 1);
		err = sql_next(&db->sql, DB_FROM_ID);
		if (err == 1)
			err = db_entry(db, DB_FROM_ID, &before);
		else if (err == 0)
			err = -EBADMSG;
		sql_reset(&db->sql, DB_FROM_ID);
		if (!err)
			memcpy(begun.hash, before.hash, SHA256_BYTES);
	}
	if (!err)
		*v = begun;
	return err;
}

/* Notes the first bad row, which ends the walk. */
static int bad(struct verify *v, uint64_t id, const char *why)
{
	v->bad_row = id;
	snprintf(v->text, sizeof(v->text), "row %" PRIu64 ": %s", id, why);
	return 0;
}

/* Checks a row against the row before it in its account. NULL, or the fault; *err is set when the
 * row before cannot be read. */
static const char *account_fault(struct db *db, const struct entry *e, int *err)
{
	struct entry before;
	int found;

	sql_bind_u64(&db->sql, DB_BEFORE_IN_ACCOUNT, 1, e->meter.boot_us);
	sql_bind_text(&db->sql, DB_BEFORE_IN_ACCOUNT, 2, e->meter.instance);
	sql_bind_u64(&db->sql, DB_BEFORE_IN_ACCOUNT, 3, e->meter.seq);
	found = sql_next(&db->sql, DB_BEFORE_IN_ACCOUNT);
	if (found < 0)
		*err = found;
	if (found <= 0)
		return NULL;
	found = db_entry(db, DB_BEFORE_IN_ACCOUNT, &before);
	sql_reset(&db->sql, DB_BEFORE_IN_ACCOUNT);
	if (found)
		return "the reading before it in its account is damaged";
	if (before.id >= e->id)
		return "the reading before it in its account stands behind it";
	return rules_after(&before.meter, &e->meter);
}

/* The fault of a row, or NULL. */
static const char *row_fault(struct db *db, const struct verify *v, const struct entry *e, int *err)
{
	uint8_t hash[SHA256_BYTES];
	const char *fault;

	if (e->id != v->next_id)
		return "is missing";
	if (memcmp(e->prev_hash, v->hash, SHA256_BYTES) != 0)
		return "prev_hash is not the hash of the row before";
	*err = chain_hash(e, hash);
	if (*err)
		return NULL;
	if (memcmp(e->hash, hash, SHA256_BYTES) != 0)
		return "the hash is not that of its content";
	fault = rules_alone(&e->meter);
	return fault ? fault : account_fault(db, e, err);
}

/* Checks one row. Returns 1 to go on, 0 when the row is bad and was noted, or -errno. */
static int walk_row(struct db *db, struct verify *v)
{
	struct entry e;
	const char *fault;
	int err = db_entry(db, DB_FROM_ID, &e);

	if (err == -EBADMSG)
		return bad(v, v->next_id, db->sql.why);
	if (err)
		return err;
	fault = row_fault(db, v, &e, &err);
	if (err)
		return err;
	if (fault)
		return bad(v, v->next_id, fault);
	memcpy(v->hash, e.hash, SHA256_BYTES);
	v->next_id++;
	v->rows++;
	return 1;
}

/* All rows are in order. Now the head that the file names must be the last row, and no row may come
 * behind it. */
static int check_head(struct db *db, struct verify *v)
{
	uint64_t id = 0;
	uint8_t hash[SHA256_BYTES] = {0};
	int found = db_read_head(db, &id, hash);

	if (found < 0)
		return found;
	if (id < v->end_id)
		return bad(v, v->end_id, "stands behind the head");
	sql_bind_u64(&db->sql, DB_FROM_ID, 1, db->head_id + 1);
	sql_bind_u64(&db->sql, DB_FROM_ID, 2, 1);
	found = sql_next(&db->sql, DB_FROM_ID);
	sql_reset(&db->sql, DB_FROM_ID);
	if (found < 0)
		return found;
	if (found)
		return bad(v, db->head_id + 1, "stands behind the head");
	if (id == v->end_id && memcmp(hash, v->hash, SHA256_BYTES) != 0)
		return bad(v, id, "is the head, but the head has another hash");
	snprintf(v->text, sizeof(v->text), "%" PRIu64 " rows, every hash and every rule holds",
		 v->rows);
	return 0;
}

int verify_step(struct db *db, struct verify *v)
{
	uint64_t left = v->end_id + 1 - v->next_id;
	uint64_t slice = left < VERIFY_SLICE_ROWS ? left : VERIFY_SLICE_ROWS;
	uint64_t walked = 0;
	int err = 1;

	if (v->next_id > v->end_id)
		return check_head(db, v);
	sql_bind_u64(&db->sql, DB_FROM_ID, 1, v->next_id);
	sql_bind_u64(&db->sql, DB_FROM_ID, 2, slice);
	while (walked < slice && (err = sql_next(&db->sql, DB_FROM_ID)) == 1) {
		err = walk_row(db, v);
		if (err <= 0)
			break;
		walked++;
	}
	sql_reset(&db->sql, DB_FROM_ID);
	if (err == 0 && !v->bad_row)
		return bad(v, v->next_id, "is missing");
	return err;
}
