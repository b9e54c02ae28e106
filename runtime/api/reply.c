// SPDX-License-Identifier: Apache-2.0
/* Answering: whole replies and streams. Nothing is sent from here; the server's turn does that. */
#include <stdio.h>

#include "runtime/api/conn.h"
#include "runtime/api/problem.h"
#include "runtime/base/mem.h"
#include "runtime/http/status.h"

/* An answer that lacks a part must not go out, so without memory the connection ends instead. */
static void check(struct conn *c, int r)
{
	if (r < 0)
		c->doomed = true;
	conn_todo(c);
}

static int put_head(struct conn *c, int status, const char *type, const char *extra,
		    const char *framing)
{
	return buffer_printf(&c->out, "HTTP/1.1 %d %s\r\n%s%s%s%s%s%s\r\n", status,
			     http_status_phrase(status), type ? "Content-Type: " : "",
			     type ? type : "", type ? "\r\n" : "", extra ? extra : "", framing,
			     c->keep_alive ? "" : "Connection: close\r\n");
}

/* Whether the request was read whole. The unread rest of a body would be taken for the next
 * request. */
static bool is_whole(const struct conn *c)
{
	const struct http_head *head = &c->request.head;

	return c->state == CONN_HEAD && head->method.size > 0 && head->framing == HTTP_NO_BODY;
}

void reply_bytes(struct request *rq, int status, const char *type, const char *extra,
		 const char *bytes, size_t size)
{
	struct conn *c;
	char framing[64];
	int r;

	if (rq->answered) {
		rq->answered(rq, status, bytes, size);
		return;
	}
	c = conn_of(rq);
	must(c->state == CONN_HEAD || c->state == CONN_BODY || c->state == CONN_BUSY);
	if (c->state != CONN_BUSY && !is_whole(c))
		c->keep_alive = false;
	snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", size);
	r = put_head(c, status, type, extra, status == 204 ? "" : framing);
	if (r == 0)
		r = buffer_add(&c->out, bytes, size);
	conn_enter(c, CONN_FINISH);
	check(c, r);
}

void reply_empty(struct request *rq)
{
	reply_bytes(rq, 204, NULL, NULL, "", 0);
}

void reply_json(struct request *rq, int status, const char *extra, struct json_out *o)
{
	static const char failed[] = PROBLEM_NO_MEMORY;

	must(o->failed || o->depth == 0);
	if (o->failed)
		reply_bytes(rq, 500, "application/problem+json", NULL, failed, sizeof(failed) - 1);
	else
		reply_bytes(rq, status, "application/json", extra, o->text, o->length);
	json_out_fini(o);
}

void stream_begin(struct request *rq, const char *type)
{
	struct conn *c = conn_of(rq);

	must(!rq->answered && c->state == CONN_BUSY);
	c->chunked_answer = rq->head.minor_version >= 1;
	if (!c->chunked_answer)
		c->keep_alive = false; /* HTTP/1.0 ends such an answer by closing */
	conn_enter(c, CONN_STREAM);
	check(c, put_head(c, 200, type, "Cache-Control: no-store\r\n",
			  c->chunked_answer ? "Transfer-Encoding: chunked\r\n" : ""));
}

void stream_send(struct request *rq, const void *bytes, size_t size)
{
	struct conn *c = conn_of(rq);
	int r = 0;

	must(c->state == CONN_STREAM);
	if (size == 0)
		return; /* an empty chunk would be the end */
	if (c->chunked_answer)
		r = buffer_printf(&c->out, "%zx\r\n", size);
	if (r == 0)
		r = buffer_add(&c->out, bytes, size);
	if (r == 0 && c->chunked_answer)
		r = buffer_add(&c->out, "\r\n", 2);
	check(c, r);
}

void stream_end(struct request *rq)
{
	struct conn *c = conn_of(rq);

	must(c->state == CONN_STREAM);
	conn_enter(c, CONN_FINISH);
	check(c, c->chunked_answer ? buffer_add(&c->out, "0\r\n\r\n", 5) : 0);
}

size_t stream_backlog(const struct request *rq)
{
	return conn_of(rq)->out.size;
}

void stream_abort(struct request *rq)
{
	struct conn *c = conn_of(rq);

	c->doomed = true;
	conn_todo(c);
}

/* ---- upgraded ---- */

void upgrade_begin(struct request *rq, const char *protocol, void (*on_input)(struct request *rq))
{
	struct conn *c = conn_of(rq);

	must(!rq->answered && c->state == CONN_BUSY);
	c->keep_alive = false;
	rq->on_input = on_input;
	conn_enter(c, CONN_UPGRADED);
	check(c, buffer_printf(&c->out,
			       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
			       "Upgrade: %s\r\n\r\n",
			       protocol));
}

char *upgrade_input(struct request *rq, size_t *size)
{
	struct conn *c = conn_of(rq);

	must(c->state == CONN_UPGRADED);
	*size = c->in.size;
	return buffer_at(&c->in);
}

void upgrade_used(struct request *rq, size_t size)
{
	buffer_take(&conn_of(rq)->in, size);
}

void upgrade_send(struct request *rq, const void *bytes, size_t size)
{
	struct conn *c = conn_of(rq);

	must(c->state == CONN_UPGRADED && !c->ending);
	check(c, buffer_add(&c->out, bytes, size));
}

void upgrade_look(struct request *rq)
{
	conn_todo(conn_of(rq));
}

void upgrade_end(struct request *rq)
{
	struct conn *c = conn_of(rq);

	must(c->state == CONN_UPGRADED);
	c->ending = true;
	conn_todo(c);
}
