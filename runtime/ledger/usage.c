// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/sort.h"
#include "runtime/ledger/accounts.h"

enum { W_SERVICE, W_BOOT, W_INSTANCE, W_SEQ }; /* the columns of DB_WINDOW */

static void name_account(struct db *db, enum db_statement which, const struct account *a,
			 uint64_t seq)
{
	sql_bind_u64(&db->sql, which, 1, a->boot_us);
	sql_bind_text(&db->sql, which, 2, a->instance);
	sql_bind_u64(&db->sql, which, 3, seq);
}

/* The last reading of an account before this number: zeros if there is none. 0 or -errno. */
static int reading_before(struct db *db, const struct account *a, uint64_t seq,
			  struct wire_meter *out)
{
	struct wire_meter none = {0};
	struct entry before;
	int err, found;

	name_account(db, DB_BEFORE_IN_ACCOUNT, a, seq);
	found = sql_next(&db->sql, DB_BEFORE_IN_ACCOUNT);
	if (found <= 0) {
		if (found == 0)
			*out = none;
		return found;
	}
	err = db_entry(db, DB_BEFORE_IN_ACCOUNT, &before);
	sql_reset(&db->sql, DB_BEFORE_IN_ACCOUNT);
	if (!err)
		*out = before.meter;
	return err;
}

/* The index of the service's row, which is made if there is none. 0 or -ENOMEM. */
static int row_of(struct usage_rows *rows, const char *service, uint32_t *out)
{
	size_t capacity = rows->capacity ? rows->capacity * 2 : 16;
	struct usage_row *more;

	for (size_t n = rows->count; n > 0; n--)
		if (strcmp(rows->rows[n - 1].service, service) == 0) {
			*out = (uint32_t)n - 1;
			return 0;
		}
	if (rows->count == rows->capacity) {
		more = reallocarray(rows->rows, capacity, sizeof(*more));
		if (!more)
			return -ENOMEM;
		rows->rows = more;
		rows->capacity = capacity;
	}
	more = &rows->rows[rows->count];
	*more = (struct usage_row){0};
	memcpy(more->service, service, SERVICE_NAME_SIZE);
	*out = (uint32_t)rows->count++;
	return 0;
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

	name_account(db, DB_SPAN, a, a->first_seq);
	sql_bind_u64(&db->sql, DB_SPAN, 4, a->last_seq);
	while ((err = sql_next(&db->sql, DB_SPAN)) == 1) {
		err = db_entry(db, DB_SPAN, &e);
		if (!err && e.meter.read_us > from_us && e.meter.read_us <= to_us)
			err = add_difference(row, before, &e.meter);
		if (err)
			break;
		*before = e.meter;
	}
	sql_reset(&db->sql, DB_SPAN);
	return err;
}

/* How many readings the account has from the first to the last in the window. 0 or -errno. */
static int count_span(struct db *db, const struct account *a, uint64_t *out)
{
	int found;

	name_account(db, DB_SPAN_COUNT, a, a->first_seq);
	sql_bind_u64(&db->sql, DB_SPAN_COUNT, 4, a->last_seq);
	found = sql_next(&db->sql, DB_SPAN_COUNT);
	if (found == 1)
		*out = sql_u64(&db->sql, DB_SPAN_COUNT, 0);
	sql_reset(&db->sql, DB_SPAN_COUNT);
	return found < 0 ? found : 0;
}

/* The reading that DB_WINDOW stands at. */
static int meet(struct db *db, struct accounts *accounts, struct usage_rows *rows)
{
	char instance[INSTANCE_ID_SIZE] = "", service[SERVICE_NAME_SIZE] = "";
	uint64_t seq = sql_u64(&db->sql, DB_WINDOW, W_SEQ);
	struct account *a;

	sql_text(&db->sql, DB_WINDOW, W_INSTANCE, instance, sizeof(instance));
	a = accounts_get(accounts, sql_u64(&db->sql, DB_WINDOW, W_BOOT), instance);
	if (!a)
		return -ENOMEM;
	if (a->count == 0 || seq < a->first_seq)
		a->first_seq = seq;
	if (seq > a->last_seq)
		a->last_seq = seq;
	if (a->count++ > 0)
		return 0; /* an account has one service */
	sql_text(&db->sql, DB_WINDOW, W_SERVICE, service, sizeof(service));
	return row_of(rows, service, &a->service);
}

static int meet_all(struct db *db, uint64_t from_us, uint64_t to_us, const char *service,
		    struct accounts *accounts, struct usage_rows *rows)
{
	int err;

	sql_bind_u64(&db->sql, DB_WINDOW, 1, from_us < INT64_MAX ? from_us : INT64_MAX);
	sql_bind_u64(&db->sql, DB_WINDOW, 2, to_us < INT64_MAX ? to_us : INT64_MAX);
	sql_bind_text(&db->sql, DB_WINDOW, 3, service);
	while ((err = sql_next(&db->sql, DB_WINDOW)) == 1) {
		err = meet(db, accounts, rows);
		if (err)
			break;
	}
	sql_reset(&db->sql, DB_WINDOW);
	return err;
}

static int add_account(struct db *db, struct usage_row *row, const struct account *a,
		       uint64_t from_us, uint64_t to_us)
{
	struct wire_meter before, last;
	uint64_t span = 0;
	int err = reading_before(db, a, a->first_seq, &before);

	if (!err)
		err = reading_before(db, a, a->last_seq + 1, &last);
	if (!err)
		err = count_span(db, a, &span);
	if (err)
		return err;
	row->instances++;
	if (span == a->count)
		return add_difference(row, &before, &last);
	return add_one_by_one(db, row, a, &before, from_us, to_us);
}

static int by_service(const void *a, const void *b)
{
	const struct usage_row *const *one = a, *const *other = b;

	return strcmp((*one)->service, (*other)->service);
}

/* The rows as a new array, in the order of their names. 0 or -ENOMEM. */
static int sort(const struct usage_rows *rows, struct usage_rows *out)
{
	SCOPED_MEM const struct usage_row **order = calloc(rows->count + 1, sizeof(*order));
	struct usage_row *sorted = calloc(rows->count + 1, sizeof(*sorted));

	if (!order || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t n = 0; n < rows->count; n++)
		order[n] = &rows->rows[n];
	sort_items(order, rows->count, sizeof(*order), by_service);
	for (size_t n = 0; n < rows->count; n++)
		sorted[n] = *order[n];
	*out = (struct usage_rows){
		.rows = sorted, .count = rows->count, .capacity = rows->count + 1};
	return 0;
}

int usage_window(struct db *db, uint64_t from_us, uint64_t to_us, const char *service,
		 struct usage_rows *out)
{
	struct usage_rows rows = {0};
	struct accounts accounts = {0};
	int err;

	if (from_us > to_us)
		return -EINVAL;
	err = meet_all(db, from_us, to_us, service, &accounts, &rows);
	for (size_t n = 0; !err && n < accounts.count; n++) {
		const struct account *a = &accounts.list[n];

		err = add_account(db, &rows.rows[a->service], a, from_us, to_us);
	}
	accounts_fini(&accounts);
	if (!err)
		err = sort(&rows, out);
	usage_rows_fini(&rows);
	return err;
}

void usage_rows_fini(struct usage_rows *rows)
{
	free(rows->rows);
	*rows = (struct usage_rows){0};
}
