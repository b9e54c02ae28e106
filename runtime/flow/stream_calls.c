// SPDX-License-Identifier: Apache-2.0
/* Streams of workflows: appended to, read, and waited for. */
#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/flow/workflow_calls.h"

#define STREAM_OVERHEAD 512
#define CHUNK_OVERHEAD  32
#define FRAME_HEAD      4
#define READ_LIMIT      100
#define FRAMES_MAX      1000 /* of a request: each is a row */
#define STREAMS_SHOWN   1000

/* The name of a thing that connections wait for. Two streams of a namespace with one hash wake
 * each other's readers, who then read nothing new. */
static uint64_t thing_of(const struct workflow_hand *k)
{
	return text_hash(k->target.id, strlen(k->target.id));
}

/* ---- appending ---- */

static bool says(const struct workflow_hand *k, const char *field)
{
	const struct http_header *h = http_find(k->head, field);

	return h && http_slice_is(h->value, "1");
}

/* The next chunk of a body of frames. 1, 0 at the end, -EBADMSG. */
static int next_frame(struct http_slice *body, struct http_slice *chunk)
{
	const unsigned char *at = (const unsigned char *)body->at;
	size_t size;

	if (body->size == 0)
		return 0;
	if (body->size < FRAME_HEAD)
		return -EBADMSG;
	size = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
	if (size > body->size - FRAME_HEAD)
		return -EBADMSG;
	*chunk = (struct http_slice){body->at + FRAME_HEAD, size};
	body->at += FRAME_HEAD + size;
	body->size -= FRAME_HEAD + size;
	return 1;
}

/* Number of chunks, or -EBADMSG. */
static int count_frames(struct http_slice body, bool framed)
{
	struct http_slice chunk;
	int count = 0, r;

	if (!framed)
		return body.size > 0;
	while ((r = next_frame(&body, &chunk)) == 1)
		count++;
	return r < 0 ? r : count;
}

static int put_chunks(const struct workflow_hand *k, struct store_stream *t, bool framed)
{
	struct http_slice body = k->body, chunk = k->body;
	int r = 0;

	while (r == 0 && body.size > 0) {
		if (framed && next_frame(&body, &chunk) != 1)
			break;
		r = store_put_chunk(k->flow->store, t->number, t->chunks++, chunk.at, chunk.size);
		if (!framed)
			break;
	}
	return r;
}

static int open_stream(const struct workflow_hand *k, struct workspace **w, struct store_stream *t)
{
	int r = workflows_make_space(k->flow, k->conn->door->space, w);

	if (r < 0)
		return r;
	r = store_stream(k->flow->store, (*w)->is.id, k->target.id, t);
	if (r != 0)
		return r < 0 ? r : 0;
	r = store_stream_room(k->flow->store, (*w)->is.id, k->query.run, STREAMS_OF_WORK_MAX,
			      STREAMS_ALONE_MAX);
	if (r != 1)
		return r < 0 ? r : REFUSED_too_large;
	r = workflows_room(k->flow, *w, STREAM_OVERHEAD, false);
	if (r < 0)
		return r;
	*t = (struct store_stream){
		.space = (*w)->is.id, .bytes = STREAM_OVERHEAD, .touched_us = clock_real_us()};
	(void)text_copy(t->name, sizeof(t->name), k->target.id);
	(void)text_copy(t->work_id, sizeof(t->work_id), k->query.run);
	r = store_make_stream(k->flow->store, t);
	if (r == 0)
		workflows_grew(k->flow, *w, STREAM_OVERHEAD);
	return r;
}

/* 1: appended, 0: nothing was to be done, a refusal above 1, or -errno. */
static int append(const struct workflow_hand *k, int count, const char *once,
		  struct store_stream *t)
{
	uint64_t bytes = k->body.size + (uint64_t)count * CHUNK_OVERHEAD;
	bool framed = says(k, "x-ebb-frames"), closes = says(k, "x-ebb-close");
	struct workspace *w;
	int r = open_stream(k, &w, t);

	if (r != 0 || t->closed || (*once && strcmp(once, t->once) == 0))
		return r;
	if (count > FRAMES_MAX || t->chunks + (uint64_t)count > CHUNKS_OF_STREAM_MAX ||
	    (count > 0 && t->bytes + bytes > STREAM_BYTES_MAX))
		return REFUSED_too_large;
	w->keep = t->work_id;
	r = count > 0 ? workflows_room(k->flow, w, bytes, false) : 0;
	w->keep = NULL;
	if (r == 0)
		r = put_chunks(k, t, framed);
	if (r < 0)
		return r;
	if (count > 0)
		workflows_grew(k->flow, w, bytes);
	t->bytes += count > 0 ? bytes : 0;
	t->closed = closes;
	t->touched_us = clock_real_us();
	(void)text_copy(t->once, sizeof(t->once), once);
	r = store_put_stream(k->flow->store, t);
	return r < 0 ? r : 1;
}

void stream_append(const struct workflow_hand *k)
{
	int count = count_frames(k->body, says(k, "x-ebb-frames")), r;
	struct store_stream t = {0};
	char once[ONCE_SIZE];
	struct json_out o;

	if (count < 0 || !*k->query.run ||
	    workflow_field(k->head, "x-ebb-once", once, sizeof(once)) < 0) {
		workflow_refuse(k, REFUSED_malformed,
				"a stream is appended to with ?run=RUN; with x-ebb-frames: 1 the "
				"body is chunks, each behind its length in four bytes");
		return;
	}
	r = append(k, count, once, &t);
	if (r < 0 || r > 1) {
		workflow_refuse(k, r, NULL);
		return;
	}
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_u64(&o, "chunks", t.chunks);
	json_out_bool(&o, "closed", t.closed);
	json_out_end_object(&o);
	workflow_answer(k, r == 1 ? 201 : 200, &o);
	json_out_fini(&o);
	if (r == 1)
		conns_wake(k->flow, k->conn->door->space, thing_of(k));
}

/* ---- reading ---- */

struct reading {
	struct json_out out;
	uint64_t next;
	uint32_t count, limit;
	bool more;
};

static int on_chunk(void *self, uint64_t number, const void *data, size_t size)
{
	struct reading *g = self;

	g->more = g->count == g->limit || (g->count > 0 && g->out.length > PAGE_BYTES_MAX);
	if (g->more)
		return 1;
	json_out_object(&g->out, NULL);
	json_out_u64(&g->out, "index", number);
	json_out_base64(&g->out, "data", data, size);
	json_out_end_object(&g->out);
	g->count++;
	g->next = number + 1;
	return 0;
}

static uint64_t first_of(const struct workflow_query *q, uint64_t chunks)
{
	if (!q->from_end)
		return q->from;
	return q->from < chunks ? chunks - q->from : 0;
}

static int read_chunks(const struct workflow_hand *k, const struct store_stream *t,
		       struct reading *g)
{
	int r = 0;

	json_out_object(&g->out, NULL);
	json_out_array(&g->out, "data");
	if (t->number && g->limit > 0)
		r = store_each_chunk(k->flow->store, t->number, g->next, g->limit + 1, on_chunk, g);
	else
		g->more = t->chunks > g->next;
	json_out_end_array(&g->out);
	json_out_u64(&g->out, "next", g->next);
	json_out_i64(&g->out, "tail", (int64_t)t->chunks - 1);
	json_out_bool(&g->out, "closed", t->closed);
	json_out_bool(&g->out, "hasMore", g->more);
	json_out_end_object(&g->out);
	return r;
}

void stream_read(const struct workflow_hand *k)
{
	struct reading g = {.limit = READ_LIMIT};
	struct store_stream t = {0};
	int r = k->space ? store_stream(k->flow->store, k->space->is.id, k->target.id, &t) : 0;

	if (r < 0) {
		workflow_refuse(k, r, NULL);
		return;
	}
	if (r == 0)
		t = (struct store_stream){0};
	if (k->query.limit != UINT64_MAX)
		g.limit = (uint32_t)k->query.limit;
	g.next = first_of(&k->query, t.chunks);
	if (g.limit > 0 && k->query.wait_s > 0 && !t.closed && g.next >= t.chunks &&
	    !k->conn->woken) {
		conn_park(k->conn, thing_of(k), k->query.wait_s);
		return;
	}
	json_out_init(&g.out);
	r = read_chunks(k, &t, &g);
	if (r < 0)
		workflow_refuse(k, r, NULL);
	else
		workflow_answer(k, 200, &g.out);
	json_out_fini(&g.out);
}

/* ---- names ---- */

static int on_stream(void *self, const struct store_stream *t)
{
	json_out_string(self, NULL, t->name);
	return 0;
}

void streams_list(const struct workflow_hand *k)
{
	struct json_out o;
	int r = 0;

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_array(&o, "data");
	if (k->space && *k->query.run)
		r = store_each_stream(k->flow->store, k->space->is.id, k->query.run, STREAMS_SHOWN,
				      on_stream, &o);
	json_out_end_array(&o);
	json_out_end_object(&o);
	if (r < 0)
		workflow_refuse(k, r, NULL);
	else if (!*k->query.run)
		workflow_refuse(k, REFUSED_malformed, "streams are listed with ?run=RUN");
	else
		workflow_answer(k, 200, &o);
	json_out_fini(&o);
}
