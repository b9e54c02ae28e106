// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/answer.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

void answer_fini(struct answer *a)
{
	usage_rows_fini(&a->rows);
	*a = (struct answer){0};
}

void answer_usage(struct answer *a, const struct wire_usage_get *get)
{
	answer_fini(a);
	a->kind = ANSWER_USAGE;
	a->cookie = get->cookie;
	a->get = *get;
	a->next_from_us = get->from_us;
	if (!text_terminated(get->service, sizeof(get->service)) || get->from_us > get->to_us ||
	    (get->bucket_us && (get->to_us - get->from_us) / get->bucket_us >= USAGE_BUCKETS_MAX))
		a->err = EINVAL;
}

void answer_verify(struct answer *a, struct db *db, uint64_t cookie)
{
	answer_fini(a);
	a->kind = ANSWER_VERIFY;
	a->cookie = cookie;
	a->err = -verify_begin(db, 1, &a->verify);
}

/* Returns 0 when the record was sent, 1 when the socket is full, or -errno. */
static int answer_send(int api_fd, uint32_t type, const void *record, size_t size)
{
	int err = wire_send(api_fd, type, record, size, NULL, 0);

	return err == -EAGAIN ? 1 : err;
}

/* Computes the next bucket. */
static void next_bucket(struct answer *a, struct db *db)
{
	uint64_t left_us = a->get.to_us - a->next_from_us;
	uint64_t width_us =
		a->get.bucket_us && a->get.bucket_us < left_us ? a->get.bucket_us : left_us;

	usage_rows_fini(&a->rows);
	a->sent = 0;
	a->bucket_from_us = a->next_from_us;
	a->bucket_to_us = a->next_from_us + width_us;
	a->next_from_us = a->bucket_to_us;
	a->done = a->bucket_to_us == a->get.to_us;
	a->err = -usage_window(db, a->bucket_from_us, a->bucket_to_us, a->get.service, &a->rows);
}

static int send_row(struct answer *a, int api_fd)
{
	const struct usage_row *row = &a->rows.rows[a->sent];
	struct wire_usage_row record = {
		.cookie = a->cookie,
		.from_us = a->bucket_from_us,
		.to_us = a->bucket_to_us,
		.invocations = row->invocations,
		.active_cpu_us = row->active_cpu_us,
		.awake_us = row->awake_us,
		.frozen_us = row->frozen_us,
		.provisioned_mb_us = row->provisioned_mb_us,
		.net_out_bytes = row->net_out_bytes,
		.net_in_bytes = row->net_in_bytes,
		.net_connections = row->net_connections,
		.wakes = row->wakes,
		.wake_us = row->wake_us,
		.instances = row->instances,
	};
	int err;

	memcpy(record.service, row->service, sizeof(record.service));
	err = answer_send(api_fd, WIRE_USAGE_ROW, &record, sizeof(record));
	if (err == 0)
		a->sent++;
	return err;
}

static int send_last_row(struct answer *a, int api_fd)
{
	struct wire_usage_row record = {
		.cookie = a->cookie,
		.from_us = a->get.from_us,
		.to_us = a->get.to_us,
		.last = 1,
		.err = a->err,
	};
	int err = answer_send(api_fd, WIRE_USAGE_ROW, &record, sizeof(record));

	if (err == 0)
		answer_fini(a);
	return err;
}

static int step_usage(struct answer *a, struct db *db, int api_fd)
{
	int err = 0;

	while (!a->err && a->sent < a->rows.count && err == 0)
		err = send_row(a, api_fd);
	if (err)
		return err;
	if (a->err || a->done)
		return send_last_row(a, api_fd);
	next_bucket(a, db);
	return 0;
}

static int send_verdict(struct answer *a, struct db *db, int api_fd)
{
	struct wire_ledger_verdict record = {
		.cookie = a->cookie,
		.rows = a->verify.rows,
		.bad_row = a->verify.bad_row,
		.err = a->err,
	};
	int err;

	memcpy(record.head, a->verify.hash, sizeof(record.head));
	/* A text that does not fit may be cut, because only people read it. */
	(void)text_format(record.text, sizeof(record.text), "%s",
			  a->err ? db->sql.why : a->verify.text);
	err = answer_send(api_fd, WIRE_LEDGER_VERDICT, &record, sizeof(record));
	if (err == 0)
		answer_fini(a);
	return err;
}

static int step_verify(struct answer *a, struct db *db, int api_fd)
{
	int more = 0;

	if (!a->err && !a->verify.text[0]) {
		more = verify_step(db, &a->verify);
		if (more < 0)
			a->err = -more;
	}
	return more > 0 ? 0 : send_verdict(a, db, api_fd);
}

int answer_step(struct answer *a, struct db *db, int api_fd)
{
	int err = a->kind == ANSWER_USAGE ? step_usage(a, db, api_fd) : step_verify(a, db, api_fd);

	return err < 0 ? err : 0;
}
