// SPDX-License-Identifier: Apache-2.0
/* From received bytes to a request that can be sent to any instance of its service, and again. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/proxy.h"
#include "runtime/gateway/serialize.h"
#include "runtime/http/handshake.h"

uint64_t proxy_real_us(struct proxy *p, uint64_t mono_ns)
{
	uint64_t now_ns = proxy_now(p);

	if (now_ns - p->real_checked_ns > NS_PER_SEC) {
		p->real_offset_ns = clock_real_us() * NS_PER_US - now_ns;
		p->real_checked_ns = now_ns;
	}
	return (mono_ns + p->real_offset_ns) / NS_PER_US;
}

uint64_t proxy_real_ms(struct proxy *p, uint64_t mono_ns)
{
	return proxy_real_us(p, mono_ns) / 1000;
}

/* splitmix64: ids are unique and not guessable from outside, they are no secret. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void make_id(struct proxy *p, char id[REQUEST_ID_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	uint64_t n = p->id_next++;
	uint64_t halves[2] = {mix(p->id_seed + n * UINT64_C(0x9e3779b97f4a7c15)),
			      mix(~p->id_seed ^ n)};

	for (int i = 0; i < REQUEST_ID_SIZE; i++)
		id[i] = hex[halves[i / 16] >> (i % 16 * 4) & 15];
}

void request_drop(struct proxy *p, struct client *c)
{
	struct chunk *r = &c->x.request;
	struct upstream *u = client_upstream(p, c);

	if (r->size == 0)
		return;
	if (u && u->s.sending && u->s.out.buffer == BUFFER_NONE)
		u->s.out.buffer = r->buffer; /* still being sent: it goes when that is over */
	else
		buffers_put(p->io.buffers, r->buffer);
	*r = (struct chunk){.buffer = BUFFER_NONE};
}

void request_unshare(struct proxy *p, struct client *c)
{
	struct chunk *r = &c->x.request, copy;
	struct upstream *u = client_upstream(p, c);

	if (!u || !u->s.sending || u->s.out.buffer != BUFFER_NONE || r->size == 0)
		return;
	copy.buffer = buffers_get(p->io.buffers, buffers_size(p->io.buffers, r->buffer));
	u->s.out.buffer = r->buffer;
	if (copy.buffer == BUFFER_NONE) {
		*r = (struct chunk){.buffer = BUFFER_NONE};
		return;
	}
	copy.at = buffers_at(p->io.buffers, copy.buffer);
	copy.size = r->size;
	memcpy(copy.at, r->at, r->size);
	c->x.deadline_at += copy.at - r->at;
	*r = copy;
}

/* Methods that RFC 9110 section 9.2.2 lets us send twice. */
static bool is_idempotent(struct http_slice method)
{
	static const char *const names[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (http_slice_is(method, names[i]))
			return true;
	return false;
}

static bool asks_timing(const struct http_head *head)
{
	for (size_t i = 0; i < head->header_count; i++)
		if (head->headers[i].field == HTTP_FIELD_EBB &&
		    http_slice_is_nocase(head->headers[i].name, "x-ebb-timing"))
			return http_slice_is(head->headers[i].value, "1");
	return false;
}

static void exchange_begin(struct proxy *p, struct client *c, const struct http_head *head)
{
	struct exchange *x = &c->x;

	*x = (struct exchange){
		.method_is_head = http_slice_is(head->method, "HEAD"),
		.idempotent = is_idempotent(head->method),
		.http_10 = head->minor_version == 0,
		.keep_alive = head->keep_alive,
		.upgrade = head->upgrade && head->framing == HTTP_NO_BODY,
		.timing = asks_timing(head),
		.wants_continue = head->expect_continue && head->framing != HTTP_NO_BODY,
		.arrived_ns = proxy_now(p),
		.request = {.buffer = BUFFER_NONE},
	};
	make_id(p, x->id);
	/* What carries a client has taken the chunks apart, if there were any. */
	flow_init(&x->up,
		  head->framing == HTTP_CHUNKED && c->s.carried ? HTTP_UNTIL_CLOSE : head->framing,
		  head->framing, head->body_bytes);
	flow_init(&x->down, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	p->count.requests++;
	account_begin(p, c, head);
}

/* Writes the head into a buffer of the exchange, with room for what arrived of the body. */
static int write_request(struct proxy *p, struct client *c, const struct service *s, uint32_t bytes)
{
	struct exchange *x = &c->x;
	struct request_extras extras = {
		.peer = {c->peer, c->peer_size},
		.request_id = {x->id, REQUEST_ID_SIZE},
		.deadline_ms =
			proxy_real_ms(p, proxy_now(p) + s->record.max_duration_ms * NS_PER_MS),
		.chunked = x->up.out == HTTP_CHUNKED,
	};
	struct writer w;

	x->request.buffer = buffers_get(p->io.buffers, bytes);
	if (x->request.buffer == BUFFER_NONE)
		return -ENOBUFS;
	x->request.at = w.at = buffers_at(p->io.buffers, x->request.buffer);
	w.end = w.at + buffers_size(p->io.buffers, x->request.buffer);
	w.overflow = false;
	request_write(&w, &p->head, &extras, &x->deadline_at);
	x->request.size = (uint32_t)(w.at - x->request.at);
	return w.overflow ? -EMSGSIZE : 0;
}

/* The first bytes of the body go out with the head, and can be sent again with it. */
static int join_body(struct proxy *p, struct client *c)
{
	struct exchange *x = &c->x;
	uint32_t room = buffers_size(p->io.buffers, x->request.buffer) - x->request.size;
	struct chunk body;
	int r;

	if (x->up.in_done || c->s.in.size == 0 || c->s.in.size + 64 > room)
		return 0;
	r = flow_take(&p->io, &x->up, &c->s, &body);
	if (r < 0)
		return r;
	memcpy(x->request.at + x->request.size, body.at, body.size);
	x->request.size += body.size;
	buffers_put(p->io.buffers, body.buffer);
	return 0;
}

static void request_begin(struct proxy *p, struct client *c, uint32_t head_bytes)
{
	const struct http_head *head = &p->head;
	struct service *s = routes_find(&p->routes, head->host, head->path);
	const char *why;
	uint32_t bytes = head_bytes + HEAD_GROWTH_MAX <= BUFFER_UNIT ? BUFFER_UNIT
								     : p->io.buffers->large_bytes;
	int r;

	r = head->asks_upgrade ? http_upgrade_request(&p->head, &why) : 0;
	exchange_begin(p, c, head);
	if (r > 0) {
		stream_consume(&p->io, &c->s, head_bytes);
		reply_error(p, c, r, r == 426 ? "UPGRADE_REQUIRED" : "BAD_REQUEST", 0,
			    "The WebSocket handshake was refused: %s.", why);
		return;
	}
	if (!s) {
		stream_consume(&p->io, &c->s, head_bytes);
		reply_error(p, c, 404, "NO_SERVICE", 0, "No service has this host or path.");
		return;
	}
	if (s->first_variant)
		s = routes_share(&p->routes, s, mix(p->id_seed ^ p->id_next << 20));
	c->x.service = s->record.index;
	c->x.routed = true;
	c->x.kind = blame_kind(head->method, head->path);
	r = write_request(p, c, s, bytes);
	stream_consume(&p->io, &c->s, head_bytes);
	if (r == 0)
		r = join_body(p, c);
	if (r == -EBADMSG) {
		reply_error(p, c, 400, "BAD_REQUEST", 0, "The chunked body is malformed.");
	} else if (r < 0) {
		p->count.no_buffer++;
		reply_error(p, c, 503, "OVERLOADED", 1, "The gateway has no buffer left.");
	} else {
		if (c->x.up.in_done && c->s.in.size == 0)
			stream_recv(&p->io, &c->s); /* to see the client go away */
		dispatch_request(p, c);
	}
}

static const char *code_of(int status)
{
	switch (status) {
	case 408:
		return "REQUEST_TIMEOUT";
	case 431:
		return "HEAD_TOO_LARGE";
	case 501:
		return "NOT_IMPLEMENTED";
	case 505:
		return "VERSION_NOT_SUPPORTED";
	default:
		return "BAD_REQUEST";
	}
}

void request_refuse(struct proxy *p, struct client *c, int status, const char *why)
{
	c->x = (struct exchange){.arrived_ns = proxy_now(p), .request = {.buffer = BUFFER_NONE}};
	make_id(p, c->x.id);
	flow_init(&c->x.up, HTTP_UNTIL_CLOSE, HTTP_UNTIL_CLOSE, 0);
	flow_init(&c->x.down, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	p->count.requests++;
	account_begin(p, c, NULL);
	reply_error(p, c, status, code_of(status), 0, "The request was refused: %s.", why);
}

/* Empty lines before a request line are tolerated (RFC 9112 section 2.2). */
static void skip_empty_lines(struct proxy *p, struct client *c)
{
	uint32_t n = 0;

	while (n < c->s.in.size && (c->s.in.at[n] == '\r' || c->s.in.at[n] == '\n'))
		n++;
	if (n)
		stream_consume(&p->io, &c->s, n);
}

void request_read(struct proxy *p, struct client *c)
{
	const char *why;
	long end;
	int status;

	if (c->head_seen == 0)
		skip_empty_lines(p, c);
	end = c->s.in.size ? http_head_end(c->s.in.at, c->s.in.size, c->head_seen,
					   p->config.head_bytes_max)
			   : 0;
	if (end == 0) {
		if (c->head_seen == 0 && c->s.in.size)
			client_set_deadline(p, c,
					    proxy_now(p) + p->config.head_timeout_ms * NS_PER_MS);
		c->head_seen = c->s.in.size;
		stream_recv(&p->io, &c->s);
		return;
	}
	if (end < 0) {
		request_refuse(p, c, 431, "the head is too large");
		return;
	}
	status = http_request_parse(c->s.in.at, (size_t)end, &p->head, &why);
	if (status)
		request_refuse(p, c, status, why);
	else
		request_begin(p, c, (uint32_t)end);
}
