// SPDX-License-Identifier: Apache-2.0
/* One connection of an instance: requests in, answers out. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/json.h"
#include "runtime/base/text.h"
#include "runtime/flow/inlets.h"
#include "runtime/http/status.h"

#define HEAD_MAX   16384
#define READ_BYTES 16384
#define IN_MAX     (HEAD_MAX + READ_BYTES)

static void on_conn(struct watch *w, uint32_t events);

static struct flow *flow_of(const struct conn *c)
{
	return c->door->inlet->flow;
}

void conn_begin(struct inlet_door *door, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		fd_close(&fd);
		return;
	}
	chain_init(&c->of_inlet);
	chain_init(&c->answer);
	chain_init(&c->park);
	c->door = door;
	c->watch = (struct watch){.fd = fd, .on_ready = on_conn, .name = "flow on_conn"};
	chain_add_last(&door->inlet->conns, &c->of_inlet);
	door->inlet->open++;
	flow_of(c)->conn_count++;
	conn_resume(c);
}

static void drop_request(struct conn *c)
{
	size_t before = conn_held(c);

	free(keep_mem(c->body));
	free(keep_mem(c->head));
	c->body_size = c->body_room = c->head_size = 0;
	conn_account(c, before);
}

/* ---- answers ---- */

void conn_answer(struct conn *c, int status, const char *fields, const char *type, const void *body,
		 size_t size)
{
	size_t before = conn_held(c);
	char head[512];
	int n;

	must(!c->waits);
	n = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\n%s%s%s%scontent-length: %zu\r\n%s\r\n",
		     status, http_status_phrase(status), fields, type ? "content-type: " : "",
		     type ? type : "", type ? "\r\n" : "", size,
		     c->last ? "connection: close\r\n" : "");
	must(n > 0 && (size_t)n < sizeof(head));
	free(c->out);
	c->out = malloc((size_t)n + size);
	c->out_sent = 0;
	c->out_size = c->out ? (size_t)n + size : 0;
	conn_account(c, before);
	if (c->out) {
		memcpy(c->out, head, (size_t)n);
		if (size)
			memcpy(c->out + n, body, size);
	}
	c->waits = true;
	chain_remove(&c->answer);
	chain_add_last(&flow_of(c)->answers, &c->answer);
}

void conn_refuse(struct conn *c, int status, const char *fmt, ...)
{
	char text[512];
	struct json_out o;
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "error", text);
	json_out_end_object(&o);
	conn_answer(c, status, status == 503 || status == 429 ? "retry-after: 1\r\n" : "",
		    "application/json", o.failed ? "" : o.text, o.failed ? 0 : o.length);
	json_out_fini(&o);
}

/* Sends what the socket takes. False: the connection is gone. */
static bool send_more(struct conn *c)
{
	ssize_t n =
		send(c->watch.fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_NOSIGNAL);
	size_t before = conn_held(c);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		conn_end(c);
		return false;
	}
	c->out_sent += n > 0 ? (size_t)n : 0;
	if (c->out_sent < c->out_size)
		return true;
	free(keep_mem(c->out));
	c->out_size = c->out_sent = 0;
	conn_account(c, before);
	drop_request(c);
	c->pending = c->in_size > 0;
	if (c->last && !c->discard) {
		conn_end(c);
		return false;
	}
	return true;
}

void conn_flush(struct conn *c, int result)
{
	if (result < 0) {
		c->waits = false;
		conn_refuse(c, result == -ENOSPC || result == -EDQUOT ? 507 : 503,
			    "the store of queues cannot be written (%s): nothing of this request "
			    "was done; free or replace the disk",
			    strerror(-result));
		chain_remove(&c->answer);
	}
	c->waits = false;
	if (!c->out)
		conn_end(c); /* there was no memory for the answer */
	else if (send_more(c))
		conn_watch(c);
}

/* ---- requests ---- */

static void consume(struct conn *c, size_t size)
{
	c->in_size -= size;
	memmove(c->in, c->in + size, c->in_size);
}

/* No further request is read: where this one ends is not known, or it is not wanted. */
static void refuse_last(struct conn *c, int status, const char *why)
{
	c->last = c->discard = true;
	c->in_size = 0;
	conn_refuse(c, status, "%s", why);
}

static void refuse_size(struct conn *c)
{
	c->last = c->discard = true;
	c->in_size = 0;
	conn_refuse(c, 413,
		    "the body is larger than %u bytes, the most of a message or a batch: keep it "
		    "elsewhere, and send its address",
		    BODY_MAX);
}

/* 1: a head is whole, 0: not yet, or it was refused. */
static int take_head(struct conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_head *head = flow_of(c)->head;
	size_t before = conn_held(c);
	const char *why;
	long end = http_head_end(c->in, c->in_size, 0, HEAD_MAX);
	int status;

	if (end == 0)
		return 0;
	if (end < 0) {
		refuse_last(c, 431, "the head of the request is larger than 16384 bytes");
		return 0;
	}
	status = http_request_parse(c->in, (size_t)end, head, &why);
	if (status) {
		refuse_last(c, status, why);
		return 0;
	}
	c->last = !head->keep_alive;
	c->framing = head->framing;
	c->left = head->framing == HTTP_LENGTH ? head->body_bytes : 0;
	if (c->left > BODY_MAX) {
		refuse_size(c);
		return 0;
	}
	http_chunked_init(&c->chunks);
	c->head = malloc((size_t)end);
	if (!c->head) {
		refuse_last(c, 503, "there is no memory for the request");
		return 0;
	}
	memcpy(c->head, c->in, (size_t)end);
	c->head_size = (size_t)end;
	conn_account(c, before);
	consume(c, (size_t)end);
	if (head->expect_continue)
		(void)send(c->watch.fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL);
	return 1;
}

static int append(struct conn *c, const char *bytes, size_t size)
{
	size_t room = c->body_room ? c->body_room : 1024, before = conn_held(c);
	char *more;

	if (size > BODY_MAX - c->body_size)
		return -EMSGSIZE;
	while (room < c->body_size + size)
		room *= 2;
	if (room > c->body_room) {
		more = inlet_has_room(c->door->inlet, room - c->body_room) ? realloc(c->body, room)
									   : NULL;
		if (!more)
			return -ENOMEM;
		c->body = more;
		c->body_room = room;
		conn_account(c, before);
	}
	if (size)
		memcpy(c->body + c->body_size, bytes, size);
	c->body_size += size;
	return 0;
}

/* Takes of the body what is there. 1: it is whole, 0: not yet, or -errno. */
static int take_body(struct conn *c)
{
	struct http_slice data;
	size_t used, n, at = 0;
	int r = 0, e;

	if (c->framing == HTTP_NO_BODY)
		return 1;
	if (c->framing == HTTP_LENGTH) {
		n = c->left < c->in_size ? (size_t)c->left : c->in_size;
		r = append(c, c->in, n);
		c->left -= n;
		consume(c, n);
		return r < 0 ? r : c->left == 0;
	}
	while (r == 0 && at < c->in_size) {
		r = http_chunked_next(&c->chunks, c->in + at, c->in_size - at, &used, &data);
		if (r < 0)
			return r; /* nothing else is said of a malformed body */
		at += used;
		e = append(c, data.at, data.size);
		if (e < 0)
			return e;
	}
	consume(c, at);
	return r;
}

static void run(struct conn *c)
{
	struct http_head *head = flow_of(c)->head;
	const char *why;

	must(http_request_parse(c->head, c->head_size, head, &why) == 0); /* as before */
	flow_of(c)->call(c, head);
	must(c->waits);
}

/* ---- requests that wait ---- */

static void unpark(struct conn *c)
{
	struct inlet *i = c->door->inlet;
	uint64_t begun_ns = clock_thread_ns();

	loop_timer_off(flow_of(c)->loop, &c->patience);
	chain_remove(&c->park);
	c->waits = c->due = false;
	c->woken = true;
	run(c);
	c->woken = false;
	inlet_worked(i, clock_thread_ns() - begun_ns);
}

static void on_patience(struct timer *t)
{
	unpark(container_of(t, struct conn, patience));
}

void conn_park(struct conn *c, uint64_t thing, uint64_t seconds)
{
	must(!c->waits && !c->woken);
	c->patience = (struct timer){.on_due = on_patience, .name = "flow on_patience"};
	c->parked_for = thing;
	c->waits = true;
	chain_add_last(&flow_of(c)->parked, &c->park);
	if (loop_timer_at(flow_of(c)->loop, &c->patience, clock_mono_ns() + seconds * NS_PER_SEC) <
	    0)
		c->due = true;
}

void conns_wake(struct flow *f, const char *space, uint64_t thing)
{
	struct conn *c;

	chain_each(c, &f->parked, park)
		if (c->parked_for == thing && strcmp(c->door->space, space) == 0)
			c->due = true;
}

/* An answer may end the connections of another instance, so they are taken one by one. */
void conns_answer_woken(struct flow *f)
{
	struct chain due, *link;
	struct conn *c;

	chain_init(&due);
	chain_each(c, &f->parked, park) {
		if (!c->due)
			continue;
		chain_remove(&c->park);
		chain_add_last(&due, &c->park);
	}
	while ((link = chain_take_first(&due)) != NULL)
		unpark(container_of(link, struct conn, park));
}

static void read_requests(struct conn *c)
{
	int r;

	c->pending = false;
	while (!c->waits && !c->out && !c->discard && (c->in_size > 0 || c->head)) {
		if (!c->head && take_head(c) == 0)
			return;
		r = take_body(c);
		if (r == 0)
			return;
		if (r == 1)
			run(c);
		else if (r == -EMSGSIZE)
			refuse_size(c);
		else if (r == -ENOMEM)
			refuse_last(c, 503,
				    "this instance has more than 32 MiB of requests and answers "
				    "on their way: send it again soon");
		else
			refuse_last(c, 400, "the chunked body is malformed");
	}
}

static int receive(struct conn *c, const char *bytes, size_t size)
{
	size_t room = c->in_room ? c->in_room : 4096, before = conn_held(c);
	char *more;

	while (room < c->in_size + size)
		room *= 2;
	if (room > c->in_room) {
		more = room <= 2 * IN_MAX ? realloc(c->in, room) : NULL;
		if (!more)
			return -ENOMEM;
		c->in = more;
		c->in_room = room;
		conn_account(c, before);
	}
	memcpy(c->in + c->in_size, bytes, size);
	c->in_size += size;
	return 0;
}

/* Bytes of the socket. False: the connection is gone. */
static bool hear(struct conn *c)
{
	char bytes[READ_BYTES];
	ssize_t n = recv(c->watch.fd, bytes, sizeof(bytes), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0 || (!c->discard && receive(c, bytes, (size_t)n) < 0)) {
		conn_end(c);
		return false;
	}
	return true;
}

static void drop_input(struct conn *c)
{
	size_t before = conn_held(c);

	if (c->in_size > 0 || c->head)
		return;
	free(keep_mem(c->in));
	c->in_room = 0;
	conn_account(c, before);
}

static void serve(struct conn *c)
{
	if (c->out && !c->waits) {
		if (!send_more(c) || c->out)
			return;
	} else if (!c->pending && !hear(c)) {
		return;
	}
	read_requests(c);
	drop_input(c);
	conn_watch(c);
}

static void on_conn(struct watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);
	struct inlet *i = c->door->inlet; /* the connection may end */
	uint64_t begun_ns = clock_thread_ns();

	(void)events;
	serve(c);
	inlet_worked(i, clock_thread_ns() - begun_ns);
}
