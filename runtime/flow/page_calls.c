// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/page_calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/flow/pages.h"
#include "runtime/flow/queue_words.h"
#include "runtime/flow/queues.h"

#define BASE            "/api/ebb/pages/v1/"
#define REOPEN_NS       (10 * NS_PER_SEC)
#define MARKS_AT_ONCE   128
#define MARKS_SHOWN     1000
#define MARKS_BYTES_MAX (1u << 20) /* of a request or an answer */
#define TIME_MOST_MS    (INT64_C(1) << 53)

/* A request in hand. */
struct page_hand {
	struct flow *flow;
	struct conn *conn;
	const struct http_head *head;
	const char *space;
	char key[PAGE_KEY_SIZE];
};

static bool takes_front(struct http_slice *s, const char *front)
{
	size_t n = strlen(front);

	if (s->size < n || memcmp(s->at, front, n) != 0)
		return false;
	s->at += n;
	s->size -= n;
	return true;
}

bool page_is_path(struct http_slice path)
{
	return takes_front(&path, BASE);
}

static bool is_key(struct http_slice word)
{
	if (word.size == 0 || word.size >= PAGE_KEY_SIZE)
		return false;
	for (size_t i = 0; i < word.size; i++) {
		char c = word.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
		      c == '.'))
			return false;
	}
	return true;
}

/* ---- the store ---- */

/* A store that broke is closed, which drops what was not durable, and opened again later; one that
 * SQLite found damaged, by a read or a write, is then made anew. */
static void refuse_store(const struct page_hand *k, int r)
{
	struct flow *f = k->flow;

	if (r == -EBADMSG)
		f->pages_damaged = true;
	if (f->pages && (r == -EBADMSG || pages_broken(f->pages))) {
		if (r == -EBADMSG)
			log_warn("event=pages_damaged");
		pages_close(f->pages);
		f->pages = NULL;
		f->pages_ns = clock_mono_ns() + REOPEN_NS;
	}
	if (r == -ENOSPC)
		conn_refuse(k->conn, 507, "the disk of queues and pages is full: free some of it");
	else
		conn_refuse(k->conn, 503, "the store of pages cannot be used now (%s)",
			    strerror(-r));
}

static int ready(struct flow *f)
{
	int r;

	if (f->pages)
		return 0;
	if (clock_mono_ns() < f->pages_ns)
		return -EIO;
	f->pages_ns = clock_mono_ns() + REOPEN_NS;
	r = pages_open(&f->pages, f->pages_damaged, clock_real_us() / US_PER_MS);
	if (r == 0)
		f->pages_damaged = false;
	return r;
}

static int room(const struct page_hand *k, uint64_t bytes)
{
	struct allowance *left = &k->conn->door->inlet->pages;

	if (!room_for_bytes(k->flow, 2 * bytes))
		return -ENOSPC;
	if (allowance_left(left, clock_mono_ns()) < 0)
		return -EAGAIN;
	(void)allowance_take(left, bytes, clock_mono_ns());
	return 0;
}

/* 0, or the request is answered. */
static int make_room(const struct page_hand *k, uint64_t bytes)
{
	int r = room(k, bytes);

	if (r == -EAGAIN)
		conn_refuse(k->conn, 429,
			    "this instance writes more than 16 MiB of pages a second");
	else if (r < 0)
		refuse_store(k, r);
	return r;
}

static void answer(const struct page_hand *k, int status, const void *bytes, size_t size)
{
	struct page_state state = {0};
	char fields[96];
	int r = pages_state(k->flow->pages, k->space, &state);

	if (r < 0) {
		refuse_store(k, r);
		return;
	}
	snprintf(fields, sizeof(fields), "x-ebb-marks: %llu\r\nx-ebb-floor: %llu\r\n",
		 (unsigned long long)state.newest, (unsigned long long)state.floor_ms);
	conn_answer(k->conn, status, fields, bytes ? "application/octet-stream" : NULL, bytes,
		    size);
}

/* ---- values ---- */

static void call_get(const struct page_hand *k)
{
	void *bytes = NULL;
	size_t size = 0;
	int r;

	if (!inlet_has_room(k->conn->door->inlet, ANSWER_MAX)) {
		conn_refuse(k->conn, 503,
			    "this instance has more than 24 MiB of requests and "
			    "answers on their way: read them first");
		return;
	}
	r = pages_get(k->flow->pages, k->space, k->key, &bytes, &size);
	if (r < 0)
		refuse_store(k, r);
	else
		answer(k, r == 1 ? 200 : 404, bytes, size);
	free(bytes);
}

static void call_put(const struct page_hand *k)
{
	int r = make_room(k, k->conn->body_size + PAGE_OVERHEAD);

	if (r < 0)
		return;
	r = pages_put(k->flow->pages, k->space, k->key, k->conn->body, k->conn->body_size);
	if (r < 0)
		refuse_store(k, r);
	else
		answer(k, 204, NULL, 0);
}

/* ---- marks ---- */

static int read_time(const struct json *object, const char *name, uint64_t *out)
{
	const struct json *value = json_get(object, name);
	int64_t n = 0;

	if (value && (json_int(value, &n) < 0 || n < 0 || n > TIME_MOST_MS))
		return -EINVAL;
	*out = (uint64_t)n;
	return 0;
}

static int read_mark(const struct json *object, struct page_mark *m)
{
	const char *tag = json_string(json_get(object, "tag"));

	if (!tag || !*tag || text_copy(m->tag, sizeof(m->tag), tag) < 0)
		return -EINVAL;
	return read_time(object, "stale", &m->stale_ms) < 0 ||
			       read_time(object, "expired", &m->expired_ms) < 0
		       ? -EINVAL
		       : 0;
}

/* The number of marks, and the marks (malloc), or -errno. */
static int read_marks(const struct page_hand *k, struct page_mark **out)
{
	struct json *document;
	const struct json *list;
	char why[128];
	size_t count;
	int r;

	if (k->conn->body_size > MARKS_BYTES_MAX ||
	    json_parse(k->conn->body, k->conn->body_size, 4, &document, why, sizeof(why)) < 0)
		return -EINVAL;
	r = 0;
	list = json_get(document, "marks");
	count = json_kind(list) == JSON_ARRAY ? json_count(list) : 0;
	*out = count > 0 && count <= MARKS_AT_ONCE ? calloc(count, sizeof(**out)) : NULL;
	for (size_t i = 0; *out && r == 0 && i < count; i++)
		r = read_mark(json_at(list, i), &(*out)[i]);
	json_free(document);
	return !*out || r < 0 ? -EINVAL : (int)count;
}

static void call_mark(const struct page_hand *k)
{
	struct page_mark *marks = NULL;
	int count = read_marks(k, &marks), r;

	if (count < 0) {
		conn_refuse(k->conn, 400,
			    "the body is {\"marks\": [{\"tag\": T, \"stale\": MS, \"expired\": "
			    "MS}]}, 1 to 128 of them, T of 1 to 2048 bytes");
	} else if (make_room(k, (uint64_t)count * PAGE_OVERHEAD) == 0) {
		r = pages_mark(k->flow->pages, k->space, marks, (size_t)count,
			       clock_real_us() / US_PER_MS);
		if (r < 0)
			refuse_store(k, r);
		else
			answer(k, 204, NULL, 0);
	}
	free(marks);
}

struct listing {
	struct json_out out;
	uint32_t count;
	bool more;
};

static int on_mark(void *self, const struct page_mark *m)
{
	struct listing *l = self;

	l->more = l->count == MARKS_SHOWN || l->out.length > MARKS_BYTES_MAX;
	if (l->more)
		return 1;
	l->count++;
	json_out_object(&l->out, NULL);
	json_out_u64(&l->out, "number", m->number);
	json_out_string(&l->out, "tag", m->tag);
	json_out_u64(&l->out, "stale", m->stale_ms);
	json_out_u64(&l->out, "expired", m->expired_ms);
	json_out_end_object(&l->out);
	return 0;
}

static void call_marks(const struct page_hand *k)
{
	struct http_slice query = k->head->query;
	struct page_state state = {0};
	struct listing l = {0};
	uint64_t after = 0;
	int r;

	if (query.size > 0 &&
	    (!takes_front(&query, "after=") || queue_number(query, 0, INT64_MAX, &after) < 0)) {
		conn_refuse(k->conn, 400, "the query is after=NUMBER of a mark");
		return;
	}
	r = pages_state(k->flow->pages, k->space, &state);
	json_out_init(&l.out);
	json_out_object(&l.out, NULL);
	json_out_array(&l.out, "marks");
	if (r == 0)
		r = pages_each_mark(k->flow->pages, k->space, after, on_mark, &l);
	json_out_end_array(&l.out);
	json_out_u64(&l.out, "newest", state.newest);
	json_out_u64(&l.out, "floor", state.floor_ms);
	json_out_bool(&l.out, "hasMore", l.more);
	json_out_end_object(&l.out);
	if (r < 0 || l.out.failed)
		refuse_store(k, r < 0 ? r : -ENOMEM);
	else
		conn_answer(k->conn, 200, "", "application/json", l.out.text, l.out.length);
	json_out_fini(&l.out);
}

/* ---- the table ---- */

static const struct {
	const char *method;
	bool of_value;
	void (*run)(const struct page_hand *k);
} calls[] = {
	{"GET", true, call_get},
	{"PUT", true, call_put},
	{"GET", false, call_marks},
	{"POST", false, call_mark},
};

void page_call(struct conn *c, const struct http_head *head)
{
	struct page_hand k = {
		.flow = c->door->inlet->flow, .conn = c, .head = head, .space = c->door->space};
	struct http_slice word = head->path;
	bool of_value;
	int r;

	(void)takes_front(&word, BASE);
	of_value = takes_front(&word, "values/");
	if (of_value ? !is_key(word) : !http_slice_is(word, "marks")) {
		conn_refuse(c, 404,
			    "there is nothing here: pages are at " BASE
			    "values/KEY, KEY of 1 to 128 of a-z 0-9 - _ ., and marks at " BASE
			    "marks");
		return;
	}
	if (of_value) {
		memcpy(k.key, word.at, word.size);
		k.key[word.size] = '\0';
	}
	r = ready(k.flow);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		if (calls[i].of_value != of_value || !http_slice_is(head->method, calls[i].method))
			continue;
		if (r < 0)
			refuse_store(&k, r);
		else
			calls[i].run(&k);
		return;
	}
	conn_refuse(c, 405, "the method does not fit: GET and PUT a value, GET and POST marks");
}
