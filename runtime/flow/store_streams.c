// SPDX-License-Identifier: Apache-2.0
/* Streams of workflows in the store. */
#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/flow/store_inside.h"
#include "runtime/flow/store_workflows.h"

int store_make_stream(struct store *s, struct store_stream *t)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_MAKE_STREAM, 1, t->space);
	sql_bind_text(&s->sql, DO_MAKE_STREAM, 2, t->name);
	sql_bind_text(&s->sql, DO_MAKE_STREAM, 3, t->work_id);
	sql_bind_u64(&s->sql, DO_MAKE_STREAM, 4, t->bytes);
	sql_bind_u64(&s->sql, DO_MAKE_STREAM, 5, t->touched_us);
	return store_change_and_ask(s, DO_MAKE_STREAM, &t->number);
}

int store_put_stream(struct store *s, const struct store_stream *t)
{
	const uint64_t numbers[] = {t->number, t->chunks, t->bytes, t->closed};
	int r = store_begin(s);

	if (r < 0)
		return r;
	store_bind(s, DO_PUT_STREAM, numbers, ARRAY_LEN(numbers));
	sql_bind_text(&s->sql, DO_PUT_STREAM, 5, t->once);
	sql_bind_u64(&s->sql, DO_PUT_STREAM, 6, t->touched_us);
	return store_change(s, DO_PUT_STREAM);
}

int store_put_chunk(struct store *s, uint64_t stream, uint64_t number, const void *data,
		    size_t size)
{
	int r = store_begin(s);

	if (r < 0)
		return r;
	sql_bind_u64(&s->sql, DO_PUT_CHUNK, 1, stream);
	sql_bind_u64(&s->sql, DO_PUT_CHUNK, 2, number);
	sql_bind_blob(&s->sql, DO_PUT_CHUNK, 3, size ? data : "", size);
	return store_change(s, DO_PUT_CHUNK);
}

static void read_stream(struct store *s, enum statement which, struct store_stream *t)
{
	t->number = sql_u64(&s->sql, which, 0);
	t->space = sql_u64(&s->sql, which, 1);
	sql_text(&s->sql, which, 2, t->name, sizeof(t->name));
	sql_text(&s->sql, which, 3, t->work_id, sizeof(t->work_id));
	t->alone = sql_u64(&s->sql, which, 4);
	t->chunks = sql_u64(&s->sql, which, 5);
	t->bytes = sql_u64(&s->sql, which, 6);
	t->closed = sql_u64(&s->sql, which, 7);
	sql_text(&s->sql, which, 8, t->once, sizeof(t->once));
	t->touched_us = sql_u64(&s->sql, which, 9);
}

static int one_stream(struct store *s, enum statement which, struct store_stream *out)
{
	int r = store_next(s, which);

	if (r != 1)
		return r;
	read_stream(s, which, out);
	sql_reset(&s->sql, which);
	return 1;
}

int store_stream(struct store *s, uint64_t space, const char *name, struct store_stream *out)
{
	sql_bind_u64(&s->sql, DO_STREAM, 1, space);
	sql_bind_text(&s->sql, DO_STREAM, 2, name);
	return one_stream(s, DO_STREAM, out);
}

int store_stream_room(struct store *s, uint64_t space, const char *work_id, uint32_t of_work,
		      uint32_t alone)
{
	uint64_t full = 0;
	int r;

	sql_bind_u64(&s->sql, DO_STREAMS_FULL, 1, space);
	sql_bind_text(&s->sql, DO_STREAMS_FULL, 2, work_id);
	sql_bind_u64(&s->sql, DO_STREAMS_FULL, 3, of_work - 1);
	sql_bind_u64(&s->sql, DO_STREAMS_FULL, 4, alone - 1);
	r = store_ask(s, DO_STREAMS_FULL, &full);
	if (r != 1)
		return r < 0 ? r : -EPROTO;
	return full == 2 ? -EDQUOT : full == 0;
}

int store_first_alone(struct store *s, struct store_stream *out)
{
	return one_stream(s, DO_FIRST_ALONE, out);
}

int store_each_stream(struct store *s, uint64_t space, const char *work_id, uint32_t most,
		      store_each_stream_fn each, void *self)
{
	struct store_stream stream;
	int r;

	sql_bind_u64(&s->sql, DO_STREAMS, 1, space);
	sql_bind_text(&s->sql, DO_STREAMS, 2, work_id);
	sql_bind_u64(&s->sql, DO_STREAMS, 3, most);
	while ((r = store_next(s, DO_STREAMS)) == 1) {
		read_stream(s, DO_STREAMS, &stream);
		r = each(self, &stream);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, DO_STREAMS);
	return r;
}

int store_each_chunk(struct store *s, uint64_t stream, uint64_t from, uint32_t most,
		     store_each_chunk_fn each, void *self)
{
	const uint64_t numbers[] = {stream, from, most};
	int r;

	store_bind(s, DO_CHUNKS, numbers, ARRAY_LEN(numbers));
	while ((r = store_next(s, DO_CHUNKS)) == 1) {
		size_t size;
		const void *data = sql_bytes(&s->sql, DO_CHUNKS, 1, &size);

		r = each(self, sql_u64(&s->sql, DO_CHUNKS, 0), data, size);
		if (r != 0)
			break;
	}
	sql_reset(&s->sql, DO_CHUNKS);
	return r;
}
