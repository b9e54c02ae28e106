// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

/* Columns of DB_WINDOW. */
enum {
	W_SERVICE,
	W_BOOT,
	W_INSTANCE,
	W_FIRST_SEQ,
	W_MEMORY,
	W_CPU,
	W_AWAKE,
	W_FROZEN,
	W_INVOCATIONS
};

/* What an account had before the window: zeros if it was born inside. 0 or -errno. */
static int reading_before(struct db *db, struct wire_meter *out)
{
	struct wire_meter none = {0};
	struct entry before;
	char instance[INSTANCE_ID_SIZE];
	int err, found;

	db_text(db, DB_WINDOW, W_INSTANCE, instance, sizeof(instance));
	db_bind_u64(db, DB_BEFORE_IN_ACCOUNT, 1, db_u64(db, DB_WINDOW, W_BOOT));
	db_bind_text(db, DB_BEFORE_IN_ACCOUNT, 2, instance);
	db_bind_u64(db, DB_BEFORE_IN_ACCOUNT, 3, db_u64(db, DB_WINDOW, W_FIRST_SEQ));
	found = db_next(db, DB_BEFORE_IN_ACCOUNT);
	if (found <= 0) {
		if (found == 0)
			*out = none;
		return found;
	}
	err = db_entry(db, DB_BEFORE_IN_ACCOUNT, &before);
	db_reset(db, DB_BEFORE_IN_ACCOUNT);
	if (!err)
		*out = before.meter;
	return err;
}

/* The row of a service: the last one or a new one, because DB_WINDOW comes ordered by service. */
static struct usage_row *row_of(struct usage_rows *rows, const char *service)
{
	struct usage_row *more;
	size_t capacity = rows->capacity ? rows->capacity * 2 : 16;

	if (rows->count && strcmp(rows->rows[rows->count - 1].service, service) == 0)
		return &rows->rows[rows->count - 1];
	if (rows->count == rows->capacity) {
		more = reallocarray(rows->rows, capacity, sizeof(*more));
		if (!more)
			return NULL;
		rows->rows = more;
		rows->capacity = capacity;
	}
	more = &rows->rows[rows->count++];
	*more = (struct usage_row){0};
	memcpy(more->service, service, SERVICE_NAME_SIZE);
	return more;
}

/* sum += now - before. Counters that fell (somebody meddled) and sums beyond 64 bits are refused.
 */
static int grow(uint64_t *sum, uint64_t now, uint64_t before)
{
	if (now < before)
		return -EBADMSG;
	return __builtin_add_overflow(*sum, now - before, sum) ? -EOVERFLOW : 0;
}

static int add_account(struct db *db, struct usage_rows *rows)
{
	char service[SERVICE_NAME_SIZE] = "";
	struct wire_meter before;
	struct usage_row *row;
	uint64_t awake_us, mb_us;
	int err = reading_before(db, &before);

	if (err)
		return err;
	db_text(db, DB_WINDOW, W_SERVICE, service, sizeof(service));
	row = row_of(rows, service);
	if (!row)
		return -ENOMEM;
	awake_us = db_u64(db, DB_WINDOW, W_AWAKE);
	if (__builtin_mul_overflow(awake_us - before.awake_us, db_u64(db, DB_WINDOW, W_MEMORY),
				   &mb_us))
		return -EOVERFLOW;
	row->instances++;
	err = grow(&row->invocations, db_u64(db, DB_WINDOW, W_INVOCATIONS), before.invocations);
	if (!err)
		err = grow(&row->active_cpu_us, db_u64(db, DB_WINDOW, W_CPU), before.cpu_us);
	if (!err)
		err = grow(&row->awake_us, awake_us, before.awake_us);
	if (!err)
		err = grow(&row->frozen_us, db_u64(db, DB_WINDOW, W_FROZEN), before.frozen_us);
	return err ? err : grow(&row->provisioned_mb_us, mb_us, 0);
}

int usage_window(struct db *db, uint64_t from_us, uint64_t to_us, const char *service,
		 struct usage_rows *out)
{
	struct usage_rows rows = {0};
	int err;

	if (from_us > to_us)
		return -EINVAL;
	db_bind_u64(db, DB_WINDOW, 1, from_us < INT64_MAX ? from_us : INT64_MAX);
	db_bind_u64(db, DB_WINDOW, 2, to_us < INT64_MAX ? to_us : INT64_MAX);
	db_bind_text(db, DB_WINDOW, 3, service);
	while ((err = db_next(db, DB_WINDOW)) == 1) {
		err = add_account(db, &rows);
		if (err)
			break;
	}
	db_reset(db, DB_WINDOW);
	if (err) {
		usage_rows_fini(&rows);
		return err;
	}
	*out = rows;
	return 0;
}

void usage_rows_fini(struct usage_rows *rows)
{
	free(rows->rows);
	*rows = (struct usage_rows){0};
}
