// SPDX-License-Identifier: Apache-2.0
/* The head of an answer: checked, written anew, sent together with the first bytes of the body. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/held.h"
#include "runtime/gateway/exchange/load.h"
#include "runtime/gateway/exchange/relay.h"
#include "runtime/gateway/exchange/response.h"
#include "runtime/gateway/exchange/speaks.h"
#include "runtime/gateway/exchange/tunnel.h"
#include "runtime/gateway/message/serialize.h"
#include "runtime/http/handshake.h"

/* No use needs as many 1xx heads before one answer: more are a flood. */
#define INTERIMS_MAX 32

static enum verdict bad_response(struct gateway *g, struct client *c, const char *why)
{
	return exchange_fail(g, c, EDGE_BAD_RESPONSE, 0, "The function's answer was refused: %s.",
			     why);
}

/* The framing of the body for the client. A body goes on as it came, with two exceptions for
 * HTTP/1.1: chunks are written anew, and the end of a connection becomes the last chunk, so that a
 * client can tell a cut from an end. A carrier has its own way to end a body. */
static enum http_framing framing_for(const struct client *c, enum http_framing in)
{
	if (in == HTTP_CHUNKED || in == HTTP_UNTIL_CLOSE)
		return c->x.is.http_10 || c->s.carried ? HTTP_UNTIL_CLOSE : HTTP_CHUNKED;
	return in;
}

/* The framing of the body from the upstream. A carrier tells the end of a body itself, and the
 * trailers behind it. */
static enum http_framing framing_from(const struct upstream *u, enum http_framing in)
{
	return in == HTTP_LENGTH && u->s.carried ? HTTP_UNTIL_CLOSE : in;
}

/* Whether the 101 answers the request, which is parsed again out of the bytes that were sent. */
static bool upgrade_ok(struct client *c, const struct http_head *response, const char **why)
{
	struct http_head request;

	*why = "it switches protocols unasked";
	if (!c->x.is.upgrade || c->x.request.size == 0 ||
	    http_request_parse(c->x.request.at, c->x.request.size, &request, why))
		return false;
	return http_upgrade_response(&request, response, why);
}

static void describe(struct gateway *g, struct client *c, bool interim,
		     struct response_extras *extras)
{
	const struct exchange *x = &c->x;
	const struct instance *i = &g->instances.slots[x->slot];
	uint64_t now_ns;

	*extras = (struct response_extras){
		.request_id = {x->id, REQUEST_ID_SIZE},
		.instance = {i->id, i->id_size},
		.start = {exchange_start_name(x), 4},
		.date = wall_date(&g->wall, gateway_now(g)),
		.chunked = x->down.out == HTTP_CHUNKED,
		.trailers = x->down.chunks.keep_trailers,
		.close = !interim && x->answer.last,
		.keep_alive_10 = !x->answer.last && x->is.http_10,
		.timing = x->is.timing,
	};
	if (x->fields.size && !interim)
		extras->fields = (struct http_slice){x->fields.at, x->fields.size};
	if (!x->is.timing)
		return;
	now_ns = clock_mono_ns();
	extras->queue_us = (x->dispatched_ns - x->arrived_ns) / NS_PER_US;
	extras->thaw_us = x->thaw_ns / NS_PER_US;
	extras->fn_us = (now_ns - x->dispatched_ns) / NS_PER_US;
}

/* Writes the head into a buffer of its own. The size of the chunk is 0 if no buffer is free or the
 * head does not fit. */
static struct chunk write_head(struct gateway *g, struct client *c, const struct http_head *head,
			       uint32_t head_bytes)
{
	struct chunk out = {.buffer = BUFFER_NONE};
	struct response_extras extras;
	struct writer w;

	out.buffer = buffers_get(g->io.buffers,
				 head_bytes + c->x.fields.size + HEAD_GROWTH_MAX <= BUFFER_UNIT
					 ? BUFFER_UNIT
					 : g->io.buffers->large_bytes);
	if (out.buffer == BUFFER_NONE)
		return out;
	describe(g, c, head->status < 200, &extras);
	out.at = w.at = buffers_at(g->io.buffers, out.buffer);
	w.end = w.at + buffers_size(g->io.buffers, out.buffer);
	w.overflow = false;
	response_write(&w, head, &extras);
	if (w.overflow) {
		buffers_put(g->io.buffers, out.buffer);
		return (struct chunk){.buffer = BUFFER_NONE};
	}
	out.size = (uint32_t)(w.at - out.at);
	return out;
}

/* Puts the received bytes of the body behind the head, if they fit: one send instead of two. */
static int join_body(struct gateway *g, struct client *c, struct upstream *u, struct chunk *head)
{
	uint32_t room = buffers_size(g->io.buffers, head->buffer) - head->size;
	struct chunk body;
	int r;

	if (c->x.down.in_done || u->s.in.size == 0 || u->s.in.size + 64 > room)
		return 0;
	r = flow_take(&g->io, &c->x.down, &u->s, &body);
	if (r < 0)
		return r;
	memcpy(head->at + head->size, body.at, body.size);
	head->size += body.size;
	buffers_put(g->io.buffers, body.buffer);
	return 0;
}

/* The whole answer was received while the request was not: its rest will not be read. */
static bool answers_early(const struct client *c, const struct http_head *head, uint32_t body)
{
	return !c->x.up.in_done && (head->framing == HTTP_NO_BODY ||
				    (head->framing == HTTP_LENGTH && head->body_bytes <= body));
}

static bool has_length(const struct http_head *head)
{
	for (size_t i = 0; i < head->header_count; i++)
		if (head->headers[i].field == HTTP_FIELD_CONTENT_LENGTH)
			return true;
	return false;
}

/* Whether the program may send more bytes behind this answer, which the next request on the
 * connection would take for its answer. Such bytes are a body for a HEAD request (gunicorn and
 * Starman send one of unknown length), or the answer to a body that the program refused and did not
 * read. */
static bool may_say_more(const struct client *c, const struct http_head *head)
{
	if (c->x.is.head)
		return !has_length(head);
	return c->x.up.in != HTTP_NO_BODY && head->status >= 400;
}

/* Decides the framing of the answer's body, and whether the connection goes on behind it. */
static void begin_body(struct gateway *g, struct client *c, const struct upstream *u,
		       const struct http_head *head, uint32_t body)
{
	struct exchange *x = &c->x;

	if (head->upgrade) {
		x->answer.last = true;
		tunnel_prepare(g, c, head);
		return;
	}
	flow_init(&x->down, framing_from(u, head->framing), framing_for(c, head->framing),
		  head->body_bytes);
	x->down.chunks.keep_trailers =
		c->s.carried || (x->is.wants_trailers && x->down.out == HTTP_CHUNKED);
	x->answer.last = x->is.last || g->draining || x->down.out == HTTP_UNTIL_CLOSE ||
			 answers_early(c, head, body);
}

static enum verdict send_head(struct gateway *g, struct client *c, struct upstream *u,
			      const struct http_head *head, uint32_t head_bytes)
{
	struct exchange *x = &c->x;
	struct chunk out;

	must(c->state == CLIENT_ASKED && head_bytes <= u->s.in.size);
	x->sent.reusable = head->keep_alive && !may_say_more(c, head);
	x->answer.status = (uint16_t)head->status;
	x->answered_ns = gateway_now(g);
	begin_body(g, c, u, head, u->s.in.size - head_bytes);
	out = write_head(g, c, head, head_bytes);
	stream_consume(&g->io, &u->s, head_bytes);
	if (out.size == 0) {
		g->count.no_buffer++;
		return bad_response(g, c, "the gateway has no buffer for its head");
	}
	/* The bytes behind a 101 are frames; the tunnel follows them. */
	if (!head->upgrade && join_body(g, c, u, &out) < 0) {
		buffers_put(g->io.buffers, out.buffer);
		return bad_response(g, c, "its chunked body is malformed");
	}
	held_drop(g, c);
	stream_send(&g->io, &c->s, out);
	if (head->upgrade) {
		g->count.upgrades++;
		return tunnel_begin(g, c);
	}
	client_enter(c, CLIENT_ANSWERING);
	if (x->down.in_done && (x->down.done || x->down.end_framed))
		return VERDICT_RECEIVED;
	return relay_pump(g, c, RELAY_DOWN);
}

/* Passes a 1xx answer on (RFC 9110 section 15.2), except 100, which the gateway has sent itself.
 * While a send to the client is under way a 1xx answer is left out, as the RFC allows. */
static void pass_interim(struct gateway *g, struct client *c, struct upstream *u,
			 const struct http_head *head, uint32_t head_bytes)
{
	struct chunk out = {.buffer = BUFFER_NONE};

	if (head->status != 100 && !c->x.is.http_10 && !c->s.sending)
		out = write_head(g, c, head, head_bytes);
	stream_consume(&g->io, &u->s, head_bytes);
	if (out.size)
		stream_send(&g->io, &c->s, out);
	u->head_seen = 0;
}

/* Whether the bytes are SETTINGS or GOAWAY on stream 0: the first frame of a gRPC server, and no
 * head of HTTP/1.1. */
static bool speaks_http2(const struct chunk *in)
{
	return in->size >= 9 && in->at[0] == 0 && (in->at[3] == 4 || in->at[3] == 7) &&
	       memcmp(in->at + 5, "\0\0\0\0", 4) == 0;
}

/* Acts on a parsed head. True: it was an interim one, and another head may follow. */
static bool take_head(struct gateway *g, struct client *c, struct upstream *u,
		      const struct http_head *head, uint32_t bytes, enum verdict *v)
{
	const char *why;

	if (head->status == 503 && load_is_nack(head)) {
		*v = load_gave_back(g, c);
	} else if (head->upgrade && !upgrade_ok(c, head, &why)) {
		*v = bad_response(g, c, why);
	} else if (head->status >= 200 || head->upgrade) {
		*v = send_head(g, c, u, head, bytes);
	} else if (++c->x.answer.interims > INTERIMS_MAX) {
		*v = bad_response(g, c, "too many interim answers");
	} else {
		pass_interim(g, c, u, head, bytes);
		return true;
	}
	return false;
}

/* Reads one head. True: another one may follow in the received bytes. */
static bool read_one(struct gateway *g, struct client *c, struct upstream *u, enum verdict *v)
{
	struct http_head head;
	const char *why;
	long end = http_head_end(u->s.in.at, u->s.in.size, u->head_seen, g->config.head_bytes_max);

	if (u->head_seen == 0 && speaks_http2(&u->s.in)) {
		g->count.http2_upstreams++;
		c->x.sent.got_bytes = false; /* no answer; and the request was not read */
		*v = speaks_found(g, c, u, true);
		return false;
	}
	if (end == 0) {
		u->head_seen = u->s.in.size;
		stream_recv(&g->io, &u->s);
		return false;
	}
	if (end < 0) {
		*v = bad_response(g, c, "its head is too large");
		return false;
	}
	/* The strict parser comes first, because mending a head costs a second pass. */
	if (http_response_parse(u->s.in.at, (size_t)end, c->x.is.head, &head, &why) &&
	    http_response_parse_own(u->s.in.at, (size_t)end, c->x.is.head, &head, &why)) {
		*v = bad_response(g, c, why);
		return false;
	}
	return take_head(g, c, u, &head, (uint32_t)end, v);
}

enum verdict response_read(struct gateway *g, struct client *c, struct upstream *u)
{
	enum verdict v = VERDICT_STAY;

	must(c->state == CLIENT_ASKED);
	if (c->s.sending && c->s.next.size)
		return VERDICT_STAY; /* called again when the queued chunk is sent */
	while (read_one(g, c, u, &v))
		if (u->s.in.size == 0) {
			stream_recv(&g->io, &u->s);
			break;
		}
	return v;
}
