// SPDX-License-Identifier: Apache-2.0
/* Answers that ebb makes itself; docs/interface.md section 8. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/reply.h"
#include "runtime/gateway/message/serialize.h"
#include "runtime/http/status.h"

#define SEND_REPLY_NS (5 * NS_PER_SEC)

static void write_json_text(struct writer *w, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			writer_lit(w, "\\");
		if (c < 0x20 || c >= 0x7f)
			writer_lit(w, "?");
		else
			writer_text(w, text, 1);
	}
}

static void write_body(struct writer *w, const struct exchange *x, const char *code,
		       const char *message)
{
	writer_lit(w, "{\"error\":{\"code\":\"");
	writer_text(w, code, strlen(code));
	writer_lit(w, "\",\"message\":\"");
	write_json_text(w, message);
	writer_lit(w, "\",\"request_id\":\"");
	writer_text(w, x->id, REQUEST_ID_SIZE);
	writer_lit(w, "\"}}\n");
}

static void write_reply(struct writer *w, const struct exchange *x, struct http_slice date,
			enum edge_error e, uint32_t retry_after_s, const char *message)
{
	const struct edge_row *row = edge_row(e);
	char body_text[1024];
	struct writer body = {body_text, body_text + sizeof(body_text), false};
	const char *reason = http_status_phrase(row->status);

	write_body(&body, x, row->code, message);
	writer_lit(w, "HTTP/1.1 ");
	writer_u64(w, row->status);
	writer_lit(w, " ");
	writer_text(w, reason, strlen(reason));
	writer_lit(w, "\r\ndate: ");
	writer_slice(w, date);
	writer_lit(w, "\r\ncontent-type: application/json\r\ncontent-length: ");
	writer_u64(w, (uint64_t)(body.at - body_text));
	writer_lit(w, "\r\nx-ebb-error: ");
	writer_text(w, row->code, strlen(row->code));
	writer_lit(w, "\r\nx-ebb-id: ");
	writer_text(w, x->id, REQUEST_ID_SIZE);
	if (retry_after_s) {
		writer_lit(w, "\r\nretry-after: ");
		writer_u64(w, retry_after_s);
	}
	if (e == EDGE_UPGRADE_REQUIRED) /* RFC 6455 section 4.4 */
		writer_lit(w, "\r\nconnection: upgrade\r\nupgrade: websocket"
			      "\r\nsec-websocket-version: 13");
	if (x->answer.last)
		writer_lit(w, "\r\nconnection: close");
	else if (x->is.http_10)
		writer_lit(w, "\r\nconnection: keep-alive");
	writer_lit(w, "\r\n\r\n");
	if (!x->is.head)
		writer_text(w, body_text, (size_t)(body.at - body_text));
}

bool reply_failure(struct gateway *g, struct client *c, const struct failure *f)
{
	const struct edge_row *row = edge_row(f->error);
	struct chunk out = {.buffer = BUFFER_NONE};
	struct writer w;

	if (!(c->s.sending && c->s.next.size))
		out.buffer = buffers_get(g->io.buffers, BUFFER_UNIT);
	if (out.buffer == BUFFER_NONE)
		return false;
	c->x.answer.last =
		c->x.is.last || !c->x.up.in_done || g->draining || row->end == EDGE_CLOSES;
	out.at = w.at = buffers_at(g->io.buffers, out.buffer);
	w.end = w.at + BUFFER_UNIT;
	w.overflow = false;
	write_reply(&w, &c->x, wall_date(&g->wall, gateway_now(g)), f->error,
		    f->retry_after_s ? f->retry_after_s : row->retry_after_s, f->text);
	must(!w.overflow);
	out.size = (uint32_t)(w.at - out.at);
	c->x.down.in_done = c->x.down.done = true; /* the reply is whole */
	exchange_set_deadline(g, c, gateway_now(g) + SEND_REPLY_NS);
	stream_send(&g->io, &c->s, out);
	return true;
}

static void write_moved(struct writer *w, const struct exchange *x, struct http_slice date,
			const struct passage *p)
{
	const char *reason = http_status_phrase(p->status);

	writer_lit(w, "HTTP/1.1 ");
	writer_u64(w, p->status);
	writer_lit(w, " ");
	writer_text(w, reason, strlen(reason));
	writer_lit(w, "\r\ndate: ");
	writer_slice(w, date);
	writer_lit(w, "\r\nlocation: ");
	writer_slice(w, p->to);
	writer_lit(w, "\r\ncontent-length: 0\r\nx-ebb-id: ");
	writer_text(w, x->id, REQUEST_ID_SIZE);
	if (x->answer.last)
		writer_lit(w, "\r\nconnection: close");
	else if (x->is.http_10)
		writer_lit(w, "\r\nconnection: keep-alive");
	writer_lit(w, "\r\n\r\n");
}

bool reply_moved(struct gateway *g, struct client *c)
{
	struct chunk out = {.buffer = BUFFER_NONE};
	struct writer w;

	if (!(c->s.sending && c->s.next.size))
		out.buffer = buffers_get(g->io.buffers, g->moved.to.size + 1024 <= BUFFER_UNIT
								? BUFFER_UNIT
								: g->io.buffers->large_bytes);
	if (out.buffer == BUFFER_NONE)
		return false;
	c->x.answer.last = c->x.is.last || !c->x.up.in_done || g->draining;
	out.at = w.at = buffers_at(g->io.buffers, out.buffer);
	w.end = w.at + buffers_size(g->io.buffers, out.buffer);
	w.overflow = false;
	write_moved(&w, &c->x, wall_date(&g->wall, gateway_now(g)), &g->moved);
	if (w.overflow) {
		buffers_put(g->io.buffers, out.buffer);
		return false;
	}
	out.size = (uint32_t)(w.at - out.at);
	c->x.down.in_done = c->x.down.done = true; /* the reply is whole */
	exchange_set_deadline(g, c, gateway_now(g) + SEND_REPLY_NS);
	stream_send(&g->io, &c->s, out);
	return true;
}

void reply_continue(struct gateway *g, struct client *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!c->s.sending)
		stream_send(&g->io, &c->s,
			    (struct chunk){.at = (char *)(uintptr_t)text,
					   .size = sizeof(text) - 1,
					   .buffer = BUFFER_NONE});
}

void reply_full(int fd, enum edge_error e)
{
	const struct edge_row *row = edge_row(e);
	const char *message = e == EDGE_NO_SLOT ? "The gateway has no free connection slot."
						: "This address has too many connections.";
	char body[256], text[512];
	int size, n;

	size = snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}\n",
			row->code, message);
	n = snprintf(text, sizeof(text),
		     "HTTP/1.1 %u %s\r\nretry-after: %u\r\nx-ebb-error: %s\r\n"
		     "content-type: application/json\r\ncontent-length: %d\r\n"
		     "connection: close\r\n\r\n%s",
		     row->status, http_status_phrase(row->status), row->retry_after_s, row->code,
		     size, body);
	(void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}
