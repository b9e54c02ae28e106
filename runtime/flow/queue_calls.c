// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/queue_calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/text.h"
#include "runtime/flow/inlets.h"
#include "runtime/flow/queue_words.h"
#include "runtime/flow/queues.h"

#define BATCH_MAX     100
#define POLL_MAX      10
#define LEASE_MOST_S  3600
#define KEY_KNOWN_S   86400
#define PART_HEAD_MAX 1024
#define ORDER_KEY     "x-ebb-order-key"

/* A request in hand. */
struct call {
	struct flow *flow;
	struct conn *conn;
	const struct http_head *head;
	struct queue_target target;
	const char *space;
};

static struct http_slice field_of(const struct http_head *head, const char *name)
{
	const struct http_header *h = http_find(head, name);

	return h ? h->value : (struct http_slice){NULL, 0};
}

/* ---- sending ---- */

/* The message as the sender describes it: in the head of the request, or of a part of a batch. */
struct offer {
	const struct http_head *head; /* NULL: part */
	struct http_slice part, body;
};

struct verdict {
	int status; /* 0: it was sent */
	uint64_t number;
	char why[256];
};

static struct http_slice said(const struct offer *o, const char *name)
{
	return o->head ? field_of(o->head, name) : queue_part_field(o->part, name);
}

static int copy_word(struct http_slice from, char *to, size_t size)
{
	if (from.size >= size)
		return -EINVAL;
	if (from.size)
		memcpy(to, from.at, from.size);
	to[from.size] = '\0';
	return strlen(to) == from.size && text_is_printable(to) ? 0 : -EINVAL;
}

static void refuse(struct verdict *v, int status, const char *why)
{
	v->status = status;
	(void)text_copy(v->why, sizeof(v->why), why);
}

static int read_offer(const struct offer *o, struct store_message *m, struct verdict *v)
{
	uint64_t retention_s = RETENTION_S, delay_s = 0;
	uint64_t now_us = clock_real_us(), known_s;

	if (queue_number(said(o, "vqs-retention-seconds"), RETENTION_LEAST_S, RETENTION_MOST_S,
			 &retention_s) < 0)
		refuse(v, 400, "Vqs-Retention-Seconds is a number from 60 to 604800");
	else if (queue_number(said(o, "vqs-delay-seconds"), 0, RETENTION_MOST_S, &delay_s) < 0)
		refuse(v, 400, "Vqs-Delay-Seconds is a number from 0 to 604800");
	else if (delay_s > retention_s)
		refuse(v, 400,
		       "Vqs-Delay-Seconds is more than Vqs-Retention-Seconds: the message would "
		       "be gone before it is due");
	else if (copy_word(said(o, "vqs-idempotency-key"), m->key, sizeof(m->key)) < 0)
		refuse(v, 400, "Vqs-Idempotency-Key is 1 to 256 bytes of printable ASCII");
	else if (copy_word(said(o, ORDER_KEY), m->lane, sizeof(m->lane)) < 0)
		refuse(v, 400, "X-Ebb-Order-Key is 1 to 128 bytes of printable ASCII");
	else if (copy_word(said(o, "content-type"), m->type, sizeof(m->type)) < 0)
		refuse(v, 400, "Content-Type is at most 127 bytes of printable ASCII");
	if (v->status)
		return -EINVAL;
	if (queue_number(said(o, "vqs-deployment-id"), 1, INT64_MAX, &m->revision) < 0)
		m->revision = 0; /* a name of somebody else's */
	known_s = retention_s < KEY_KNOWN_S ? retention_s : KEY_KNOWN_S;
	m->created_us = now_us;
	m->due_us = now_us + delay_s * US_PER_SEC;
	m->expires_us = now_us + retention_s * US_PER_SEC;
	m->key_until_us = now_us + known_s * US_PER_SEC;
	m->body = o->body.at;
	m->size = o->body.size;
	return 0;
}

static void judge_error(struct flow *f, int err, struct verdict *v)
{
	const char *why;
	int broken = store_broken(f->store, &why);

	if (err == -ENOSPC || broken == ENOSPC)
		refuse(v, 507,
		       "the disk of queues is full: free some of it (flow_dir of ebbd.conf); "
		       "messages that are there are delivered");
	else if (err == -EDQUOT)
		refuse(v, 507,
		       "the namespace has 1000000 messages, 4000000 for all of their consumers, or "
		       "1 "
		       "GiB waiting: see `ebb queue ls`");
	else if (err == -ENOBUFS)
		refuse(v, 507,
		       "the namespace has 256 topics with messages or triggers, 1024 consumers, or "
		       "64 of this topic: use fewer names");
	else
		refuse(v, 503, "the store of queues cannot be written now");
}

static void send_one(const struct call *k, const struct offer *o, struct verdict *v)
{
	struct store_message m = {0};
	struct topic *t;
	int r;

	if (read_offer(o, &m, v) < 0)
		return;
	r = queues_make_topic(k->flow, k->space, k->target.topic, &t);
	if (r == 0)
		r = queues_send(k->flow, t, &m);
	if (r < 0)
		judge_error(k->flow, r, v);
	v->number = m.number;
}

static void call_send(const struct call *k)
{
	struct offer o = {.head = k->head, .body = {k->conn->body, k->conn->body_size}};
	struct verdict v = {0};
	char text[48];

	send_one(k, &o, &v);
	if (v.status) {
		conn_refuse(k->conn, v.status, "%s", v.why);
		return;
	}
	(void)text_format(text, sizeof(text), "{\"messageId\":\"%llu\"}",
			  (unsigned long long)v.number);
	conn_answer(k->conn, 201, "", "application/json", text, strlen(text));
}

static void write_verdict(struct json_out *out, const struct verdict *v)
{
	char id[24];

	json_out_object(out, NULL);
	json_out_string(out, "status", v->status ? "failed" : "sent");
	if (v->status) {
		json_out_u64(out, "statusCode", (uint64_t)v->status);
		json_out_string(out, "error", v->why);
		json_out_bool(out, "retryable", v->status >= 500);
	} else {
		(void)text_format(id, sizeof(id), "%llu", (unsigned long long)v->number);
		json_out_string(out, "messageId", id);
	}
	json_out_end_object(out);
}

/* Each message is taken or refused by itself. A batch that is malformed somewhere is refused as a
 * whole, so its parts are counted first. */
static int count_parts(const struct queue_parts *from, uint32_t *count)
{
	struct queue_parts p = *from;
	struct http_slice head, body;
	int r;

	*count = 0;
	while ((r = queue_parts_next(&p, &head, &body)) == 1)
		(*count)++;
	return r;
}

static void call_batch(const struct call *k)
{
	struct queue_parts p;
	struct offer o = {0};
	struct json_out out;
	uint32_t count = 0;
	int r = queue_parts_init(&p, field_of(k->head, "content-type"), k->conn->body,
				 k->conn->body_size);

	if (r == 0)
		r = count_parts(&p, &count);
	if (r < 0 || count == 0 || count > BATCH_MAX) {
		conn_refuse(k->conn, 400, "a batch is multipart/mixed of 1 to 100 messages");
		return;
	}
	json_out_init(&out);
	json_out_object(&out, NULL);
	json_out_array(&out, "results");
	while (queue_parts_next(&p, &o.part, &o.body) == 1) {
		struct verdict v = {0};

		send_one(k, &o, &v);
		write_verdict(&out, &v);
	}
	json_out_end_array(&out);
	json_out_end_object(&out);
	if (out.failed)
		conn_refuse(k->conn, 503, "there is no memory for the answer");
	else
		conn_answer(k->conn, 200, "", "application/json", out.text, out.length);
	json_out_fini(&out);
}

/* ---- taking ---- */

struct parcel {
	char *text;
	size_t size, room;
	char boundary[20];
};

static int grow(struct parcel *p, size_t by)
{
	size_t room = p->room ? p->room : 4096;
	char *more;

	while (room < p->size + by)
		room *= 2;
	if (room == p->room)
		return 0;
	more = realloc(p->text, room);
	if (!more)
		return -ENOMEM;
	p->text = more;
	p->room = room;
	return 0;
}

static int pack(struct parcel *p, const struct store_delivery *d, const struct store_message *m)
{
	char created[CLOCK_DATE_SIZE], expires[CLOCK_DATE_SIZE];
	char head[PART_HEAD_MAX];
	size_t size;
	int r = text_format(
		head, sizeof(head),
		"%s--%s\r\ncontent-type: %s\r\nvqs-message-id: %llu\r\nvqs-receipt-handle: "
		"%llu-%llu-%llu\r\nvqs-delivery-count: %u\r\nvqs-timestamp: %s\r\n"
		"vqs-expires-at: %s\r\n\r\n",
		p->size ? "\r\n" : "", p->boundary, *m->type ? m->type : "application/octet-stream",
		(unsigned long long)m->number, (unsigned long long)d->consumer,
		(unsigned long long)m->number, (unsigned long long)d->receipt, d->attempts,
		clock_rfc3339(m->created_us, created), clock_rfc3339(m->expires_us, expires));

	must(r == 0);
	size = strlen(head);
	r = grow(p, size + m->size + 64);
	if (r < 0)
		return r;
	memcpy(p->text + p->size, head, size);
	if (m->size)
		memcpy(p->text + p->size + size, m->body, m->size);
	p->size += size + m->size;
	return 0;
}

static void hand_over(const struct call *k, struct parcel *p)
{
	char type[64];

	p->size += (size_t)snprintf(p->text + p->size, 64, "\r\n--%s--\r\n", p->boundary);
	(void)text_format(type, sizeof(type), "multipart/mixed; boundary=%s", p->boundary);
	conn_answer(k->conn, 200, "", type, p->text, p->size);
}

static int find_consumer(const struct call *k, bool make, struct consumer **out)
{
	struct topic *t;
	int r;

	if (!make) {
		t = queues_topic(k->flow, k->space, k->target.topic);
		*out = t ? queues_consumer(t, k->target.consumer) : NULL;
		return *out ? 0 : -ENOENT;
	}
	r = queues_make_topic(k->flow, k->space, k->target.topic, &t);
	return r < 0 ? r : queues_make_consumer(k->flow, t, k->target.consumer, out);
}

static void take_fault(const struct call *k, int r)
{
	struct verdict v = {0};

	if (r == -EBUSY) {
		conn_refuse(k->conn, 409,
			    "message %llu is not available: somebody has it, or it is not due yet",
			    (unsigned long long)k->target.message);
	} else if (r == -ESTALE) {
		conn_refuse(k->conn, 410, "message %llu was handled, or its time is over",
			    (unsigned long long)k->target.message);
	} else {
		judge_error(k->flow, r, &v);
		conn_refuse(k->conn, v.status, "%s", v.why);
	}
}

static int fill(const struct call *k, struct consumer *c, uint64_t most, uint64_t lease_s,
		struct parcel *p)
{
	uint64_t until_us = clock_real_us() + lease_s * US_PER_SEC, taken = 0;
	int r = 1;

	(void)text_format(p->boundary, sizeof(p->boundary), "ebb%016llx",
			  (unsigned long long)queues_random());
	while (r == 1 && taken < most && p->size < BODY_MAX) {
		struct store_delivery d;
		struct store_message m;
		void *body = NULL;

		r = queues_take(k->flow, c, k->target.message, until_us, &d, &m, &body);
		if (r != 1)
			break;
		if (pack(p, &d, &m) < 0)
			r = -ENOMEM;
		free(body);
		taken++;
		if (k->target.message)
			break;
	}
	return taken ? 1 : r;
}

static void call_receive(const struct call *k)
{
	uint64_t most = 1, lease_s = LEASE_S;
	struct parcel p = {0};
	struct consumer *c;
	int r;

	if (queue_number(field_of(k->head, "vqs-max-messages"), 1, POLL_MAX, &most) < 0) {
		conn_refuse(k->conn, 400, "Vqs-Max-Messages is a number from 1 to 10");
		return;
	}
	if (queue_number(field_of(k->head, "vqs-visibility-timeout-seconds"), 0, LEASE_MOST_S,
			 &lease_s) < 0) {
		conn_refuse(k->conn, 400,
			    "Vqs-Visibility-Timeout-Seconds is a number from 0 to 3600");
		return;
	}
	if (!inlet_has_room(k->conn->door->inlet, ANSWER_MAX)) {
		conn_refuse(k->conn, 503,
			    "this instance has more than 24 MiB of requests and answers on their "
			    "way: read them first");
		return;
	}
	r = find_consumer(k, true, &c);
	if (r == 0)
		r = fill(k, c, most, lease_s, &p);
	if (r == 1)
		hand_over(k, &p);
	else if (r < 0)
		take_fault(k, r);
	else if (k->target.action == QUEUE_BY_ID)
		conn_refuse(k->conn, 404, "there is no message %llu",
			    (unsigned long long)k->target.message);
	else
		conn_answer(k->conn, 204, "", NULL, NULL, 0);
	free(p.text);
}

/* ---- receipts ---- */

static int read_visibility(const struct call *k, uint64_t *seconds)
{
	struct json *document;
	int64_t n;
	char why[128];
	int r;

	if (json_parse(k->conn->body, k->conn->body_size, 4, &document, why, sizeof(why)) < 0)
		return -EINVAL;
	r = json_int(json_get(document, "visibilityTimeoutSeconds"), &n);
	json_free(document);
	if (r < 0 || n < 0 || n > RETENTION_MOST_S)
		return -EINVAL;
	*seconds = (uint64_t)n;
	return 0;
}

static void extend(const struct call *k, struct consumer *c, struct store_delivery *d)
{
	uint64_t seconds;
	int r;

	if (read_visibility(k, &seconds) < 0) {
		conn_refuse(k->conn, 400,
			    "the body is {\"visibilityTimeoutSeconds\": N}, N from 0 to 604800");
		return;
	}
	r = queues_extend(k->flow, c, d, clock_real_us() + seconds * US_PER_SEC);
	if (r < 0)
		take_fault(k, r);
	else
		conn_answer(k->conn, 200, "", "application/json", "{\"success\":true}", 16);
	push_moved(c, d);
}

static void acknowledge(const struct call *k, struct consumer *c, const struct store_delivery *d)
{
	int r = queues_handled(k->flow, c, d);

	if (r < 0)
		take_fault(k, r);
	else
		conn_answer(k->conn, 204, "", NULL, NULL, 0);
}

static void call_lease(const struct call *k)
{
	const struct queue_target *t = &k->target;
	struct store_delivery d;
	struct consumer *c;
	int r = find_consumer(k, false, &c);

	if (r == 0)
		r = c->is.id == t->receipt_consumer
			    ? queues_lease(k->flow, c, t->message, t->receipt, &d)
			    : -ENOENT;
	if (r == -ENOENT)
		conn_refuse(
			k->conn, 404,
			"this receipt is of no message of topic %.100s and consumer %.100s: it was "
			"acknowledged before, or its time is over",
			t->topic, t->consumer);
	else if (r == -ESTALE)
		conn_refuse(
			k->conn, 409,
			"the message was delivered again since: only the newest receipt counts");
	else if (r < 0)
		take_fault(k, r);
	else if (http_slice_is(k->head->method, "DELETE"))
		acknowledge(k, c, &d);
	else
		extend(k, c, &d);
}

/* ---- the table ---- */

static const struct {
	void (*run)(const struct call *k);
	const char *methods[2];
} actions[] = {
	[QUEUE_SEND] = {call_send, {"POST"}},
	[QUEUE_BATCH] = {call_batch, {"POST"}},
	[QUEUE_RECEIVE] = {call_receive, {"POST"}},
	[QUEUE_BY_ID] = {call_receive, {"POST"}},
	[QUEUE_LEASE] = {call_lease, {"DELETE", "PATCH"}},
};

static bool takes(enum queue_action action, struct http_slice method)
{
	for (size_t n = 0; n < 2 && actions[action].methods[n]; n++)
		if (http_slice_is(method, actions[action].methods[n]))
			return true;
	return false;
}

void queue_call(struct conn *c, const struct http_head *head)
{
	struct call k = {
		.flow = c->door->inlet->flow, .conn = c, .head = head, .space = c->door->space};
	const char *why = "", *words;
	int r = queue_target_parse(head->path, &k.target, &why);

	if (r == -ENOENT)
		conn_refuse(c, 404,
			    "there is nothing here: queues are at POST /api/v3/topic/TOPIC, and "
			    "/consumer/CONSUMER behind it");
	else if (r < 0)
		conn_refuse(c, 400, "%s", why);
	else if (!takes(k.target.action, head->method))
		conn_refuse(c, 405,
			    "the method does not fit: POST sends and receives, DELETE "
			    "acknowledges a receipt, PATCH extends it");
	else if (store_broken(k.flow->store, &words))
		take_fault(&k, -EIO);
	else if (!k.flow->known)
		conn_refuse(c, 503, "ebb-flow starts and does not know its consumers yet");
	else
		actions[k.target.action].run(&k);
}
