// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

/* The columns of DB_WINDOW, in its order. */
enum {
	W_SERVICE,
	W_BOOT,
	W_INSTANCE,
	W_FIRST_SEQ,
	W_LAST_SEQ,
	W_COUNT,
	W_MEMORY,
	W_CPU,
	W_AWAKE,
	W_FROZEN,
	W_INVOCATIONS,
	W_NET_OUT,
	W_NET_IN,
	W_NET_CONNECTIONS,
	W_WAKES,
	W_WAKE
};

/* The account that DB_WINDOW stands at; its first and its last reading in the window. */
struct account {
	char instance[INSTANCE_ID_SIZE];
	uint64_t boot_us, first_seq, last_seq;
};

static void name_account(struct db *db, enum db_statement which, const struct account *a)
{
	db_bind_u64(db, which, 1, a->boot_us);
	db_bind_text(db, which, 2, a->instance);
	db_bind_u64(db, which, 3, a->first_seq);
}

/* The counters of an account before the window: zeros if it was born inside. 0 or -errno. */
static int reading_before(struct db *db, const struct account *a, struct wire_meter *out)
{
	struct wire_meter none = {0};
	struct entry before;
	int err, found;

	name_account(db, DB_BEFORE_IN_ACCOUNT, a);
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

/* sum += now - before. 0; -EBADMSG for a counter that fell, because somebody has changed the file;
 * -EOVERFLOW for a sum beyond 64 bits. */
static int grow(uint64_t *sum, uint64_t now, uint64_t before)
{
	if (now < before)
		return -EBADMSG;
	return __builtin_add_overflow(*sum, now - before, sum) ? -EOVERFLOW : 0;
}

/* Adds the use between one reading of an account and a later one. */
static int add_difference(struct usage_row *row, const struct wire_meter *before,
			  const struct wire_meter *now)
{
	uint64_t mb_us;
	int err;

	if (__builtin_mul_overflow(now->awake_us - before->awake_us, (uint64_t)now->memory_mb,
				   &mb_us))
		return -EOVERFLOW;
	err = grow(&row->invocations, now->invocations, before->invocations);
	if (!err)
		err = grow(&row->active_cpu_us, now->cpu_us, before->cpu_us);
	if (!err)
		err = grow(&row->awake_us, now->awake_us, before->awake_us);
	if (!err)
		err = grow(&row->frozen_us, now->frozen_us, before->frozen_us);
	if (!err)
		err = grow(&row->net_out_bytes, now->net_out_bytes, before->net_out_bytes);
	if (!err)
		err = grow(&row->net_in_bytes, now->net_in_bytes, before->net_in_bytes);
	if (!err)
		err = grow(&row->net_connections, now->net_connections, before->net_connections);
	if (!err)
		err = grow(&row->wakes, now->wakes, before->wakes);
	if (!err)
		err = grow(&row->wake_us, now->wake_us, before->wake_us);
	return err ? err : grow(&row->provisioned_mb_us, mb_us, 0);
}

/* Adds the readings of the account in the window one by one. The clock was set back, so readings
 * that are not in the window stand between readings that are. */
static int add_one_by_one(struct db *db, struct usage_row *row, const struct account *a,
			  struct wire_meter *before, uint64_t from_us, uint64_t to_us)
{
	struct entry e;
	int err;

	name_account(db, DB_SPAN, a);
	db_bind_u64(db, DB_SPAN, 4, a->last_seq);
	while ((err = db_next(db, DB_SPAN)) == 1) {
		err = db_entry(db, DB_SPAN, &e);
		if (!err && e.meter.read_us > from_us && e.meter.read_us <= to_us)
			err = add_difference(row, before, &e.meter);
		if (err)
			break;
		*before = e.meter;
	}
	db_reset(db, DB_SPAN);
	return err;
}

/* How many readings the account has from the first to the last in the window. 0 or -errno. */
static int count_span(struct db *db, const struct account *a, uint64_t *out)
{
	int found;

	name_account(db, DB_SPAN_COUNT, a);
	db_bind_u64(db, DB_SPAN_COUNT, 4, a->last_seq);
	found = db_next(db, DB_SPAN_COUNT);
	if (found == 1)
		*out = db_u64(db, DB_SPAN_COUNT, 0);
	db_reset(db, DB_SPAN_COUNT);
	return found < 0 ? found : 0;
}

static int add_account(struct db *db, struct usage_rows *rows, uint64_t from_us, uint64_t to_us)
{
	struct account a = {.boot_us = db_u64(db, DB_WINDOW, W_BOOT),
			    .first_seq = db_u64(db, DB_WINDOW, W_FIRST_SEQ),
			    .last_seq = db_u64(db, DB_WINDOW, W_LAST_SEQ)};
	const struct wire_meter last = {
		.memory_mb = (uint32_t)db_u64(db, DB_WINDOW, W_MEMORY),
		.cpu_us = db_u64(db, DB_WINDOW, W_CPU),
		.awake_us = db_u64(db, DB_WINDOW, W_AWAKE),
		.frozen_us = db_u64(db, DB_WINDOW, W_FROZEN),
		.invocations = db_u64(db, DB_WINDOW, W_INVOCATIONS),
		.net_out_bytes = db_u64(db, DB_WINDOW, W_NET_OUT), /* NULL, of old rows, is 0 */
		.net_in_bytes = db_u64(db, DB_WINDOW, W_NET_IN),
		.net_connections = db_u64(db, DB_WINDOW, W_NET_CONNECTIONS),
		.wakes = db_u64(db, DB_WINDOW, W_WAKES),
		.wake_us = db_u64(db, DB_WINDOW, W_WAKE),
	};
	char service[SERVICE_NAME_SIZE] = "";
	struct wire_meter before;
	struct usage_row *row;
	uint64_t span = 0;
	int err;

	db_text(db, DB_WINDOW, W_INSTANCE, a.instance, sizeof(a.instance));
	db_text(db, DB_WINDOW, W_SERVICE, service, sizeof(service));
	err = reading_before(db, &a, &before);
	if (!err)
		err = count_span(db, &a, &span);
	if (err)
		return err;
	row = row_of(rows, service);
	if (!row)
		return -ENOMEM;
	row->instances++;
	if (span == db_u64(db, DB_WINDOW, W_COUNT))
		return add_difference(row, &before, &last);
	return add_one_by_one(db, row, &a, &before, from_us, to_us);
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
		err = add_account(db, &rows, from_us, to_us);
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
