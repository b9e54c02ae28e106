// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/client/request.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"
#include "runtime/gateway/client/caller.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/exchange/blame.h"
#include "runtime/gateway/exchange/relay.h"
#include "runtime/gateway/exchange/run.h"
#include "runtime/gateway/message/serialize.h"
#include "runtime/http/handshake.h"
#include "runtime/http/path_key.h"

/* splitmix64. Ids are unique, and a client cannot guess them; they are no secret. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Eight hexadecimal digits at once: each byte of the result is one nibble. */
static uint64_t hex8(uint32_t value)
{
	uint64_t x = value, letters;

	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	letters = ((x + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
	return x + UINT64_C(0x3030303030303030) + letters * ('a' - '9' - 1);
}

static void make_id(struct gateway *g, char id[REQUEST_ID_SIZE])
{
	uint64_t n = g->id_next++;
	uint64_t halves[2] = {mix(g->id_seed + n * UINT64_C(0x9e3779b97f4a7c15)),
			      mix(~g->id_seed ^ n)};

	for (int i = 0; i < 4; i++) {
		uint64_t digits = hex8((uint32_t)(halves[i / 2] >> (i % 2 * 32)));

		memcpy(id + (size_t)i * 8, &digits, 8);
	}
}

/* Takes the id that a trusted front gave the request, if it has the form of our ids. */
static bool take_id(const struct http_head *head, char id[REQUEST_ID_SIZE])
{
	const struct http_header *h = http_find(head, "x-ebb-id");
	char parent[] = "00-00000000000000000000000000000000-0000000000000000-00";

	if (!h || h->value.size != REQUEST_ID_SIZE)
		return false;
	/* The id becomes a trace id, and its second half a parent id. */
	memcpy(parent + 3, h->value.at, REQUEST_ID_SIZE);
	memcpy(parent + 36, h->value.at + REQUEST_ID_SIZE / 2, REQUEST_ID_SIZE / 2);
	if (!http_traceparent_valid((struct http_slice){parent, sizeof(parent) - 1}))
		return false;
	memcpy(id, h->value.at, REQUEST_ID_SIZE);
	return true;
}

/* The idempotent methods (RFC 9110 section 9.2.2) that the gateway takes; it refuses TRACE. */
static bool is_idempotent(struct http_slice method)
{
	static const char *const names[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};

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

/* A request of gRPC, which needs HTTP/2 on both sides. */
static bool is_grpc(const struct http_head *head)
{
	const struct http_header *type = http_find(head, "content-type");

	return type && type->value.size >= 16 &&
	       memcmp(type->value.at, "application/grpc", 16) == 0;
}

static void begin(struct gateway *g, struct client *c, const struct http_head *head)
{
	struct exchange *x = &c->x;

	*x = (struct exchange){
		.service = STATS_NO_SERVICE,
		.is = {.head = http_slice_is(head->method, "HEAD"),
		       .idempotent = is_idempotent(head->method),
		       .http_10 = head->minor_version == 0,
		       .upgrade = head->upgrade && head->framing == HTTP_NO_BODY,
		       .timing = asks_timing(head),
		       .wants_trailers = head->te_trailers,
		       .awaits_100 = head->expect_continue && head->framing != HTTP_NO_BODY,
		       .last = !head->keep_alive,
		       .grpc = c->s.carried && is_grpc(head)},
		.arrived_ns = gateway_now(g),
		.request = {.buffer = BUFFER_NONE},
		.fields = {.buffer = BUFFER_NONE},
	};
	client_enter(c, CLIENT_READY);
	if ((!c->trusted && !c->delivery) || !take_id(head, x->id))
		make_id(g, x->id);
	/* A carrier hands over a body without chunk framing. */
	flow_init(&x->up,
		  head->framing == HTTP_CHUNKED && c->s.carried ? HTTP_UNTIL_CLOSE : head->framing,
		  head->framing, head->body_bytes);
	x->up.chunks.keep_trailers = x->up.out == HTTP_CHUNKED;
	flow_init(&x->down, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	c->pace.next_ns = 0;
	g->count.requests++;
	c->requests++;
	if (g->config.connection_requests_max && !client_is_inside(c) &&
	    c->requests >= g->config.connection_requests_max) {
		x->is.last = true;
		g->count.request_limits++;
	}
	account_begin(g, c, head);
}

/* Writes the head into a buffer of the exchange, with room behind it for received bytes of the
 * body. bytes: the size of the buffer. */
static int write_request(struct gateway *g, struct client *c, const struct http_head *head,
			 const struct passage *p, uint32_t bytes)
{
	const struct service *s = p->service;
	struct exchange *x = &c->x;
	struct request_extras extras = {
		.peer = {c->peer, c->peer_size},
		.request_id = {x->id, REQUEST_ID_SIZE},
		.deadline_ms = wall_ms(&g->wall, gateway_now(g),
				       gateway_now(g) + s->record.max_duration_ms * NS_PER_MS),
		.chunked = x->up.out == HTTP_CHUNKED,
		.trusted = c->trusted,
		.http2 = c->s.carried,
		.target = p->target,
		.fallback = p->fallback,
		.delivery = c->delivery,
		.depth = c->binding || s->record.flags & WIRE_ROUTE_CALLS ? x->depth : NO_DEPTH,
	};
	const struct caller *k = client_caller(g, c);
	struct writer w;

	if (k)
		extras.caller = (struct http_slice){k->service, strlen(k->service)};

	x->request.buffer = buffers_get(g->io.buffers, bytes);
	if (x->request.buffer == BUFFER_NONE)
		return -ENOBUFS;
	x->request.at = w.at = buffers_at(g->io.buffers, x->request.buffer);
	w.end = w.at + buffers_size(g->io.buffers, x->request.buffer);
	w.overflow = false;
	request_write(&w, head, &extras, &x->deadline_at);
	x->request.size = (uint32_t)(w.at - x->request.at);
	return w.overflow ? -EMSGSIZE : 0;
}

/* Received bytes of the body go out with the head, and can be sent again with it. */
static int join_body(struct gateway *g, struct client *c)
{
	struct exchange *x = &c->x;
	uint32_t room = buffers_size(g->io.buffers, x->request.buffer) - x->request.size;
	struct chunk body;
	int r;

	if (x->up.in_done || c->s.in.size == 0 || c->s.in.size + 64 > room)
		return 0;
	r = flow_take(&g->io, &x->up, &c->s, &body);
	if (r < 0)
		return r;
	memcpy(x->request.at + x->request.size, body.at, body.size);
	x->request.size += body.size;
	buffers_put(g->io.buffers, body.buffer);
	return 0;
}

/* The depth of the exchange stays below DEPTH_MAX, for the table of the callers. */
static enum verdict loop_detected(struct gateway *g, struct client *c)
{
	c->x.depth = 0;
	return exchange_fail(
		g, c, EDGE_LOOP_DETECTED, 0,
		"Services call each other in a loop: this call is number %d of a chain.",
		DEPTH_MAX);
}

/* A body may have as many bytes as both the host and the service allow. */
static uint64_t body_bytes_max(const struct gateway *g, const struct service *s)
{
	uint64_t host = g->config.body_bytes_max, own = (uint64_t)s->record.body_kb_max << 10;

	host = host ? host : UINT64_MAX;
	own = own ? own : UINT64_MAX;
	return host < own ? host : own;
}

/* The rules of a site end the request. */
static enum verdict end_passage(struct gateway *g, struct client *c, const struct passage *p)
{
	if (p->end == PASSAGE_TOO_LONG)
		return exchange_fail(g, c, EDGE_TARGET_TOO_LONG, 0,
				     "The path is too long for the rules of this site.");
	if (p->end == PASSAGE_NOWHERE)
		return exchange_fail(g, c, EDGE_NO_SERVICE, 0,
				     "A rewrite leads to another host, from which ebb fetches "
				     "nothing.");
	g->moved = *p;
	return VERDICT_MOVED;
}

/* The lines for the answer outlive the head of the request. */
static enum verdict keep_fields(struct gateway *g, struct client *c, const struct passage *p)
{
	struct chunk *fields = &c->x.fields;

	must(p->fields.size <= BUFFER_UNIT);
	fields->buffer = buffers_get(g->io.buffers, BUFFER_UNIT);
	if (fields->buffer == BUFFER_NONE) {
		g->count.no_buffer++;
		return exchange_fail(g, c, EDGE_OVERLOADED, 0, "The gateway has no buffer left.");
	}
	fields->at = buffers_at(g->io.buffers, fields->buffer);
	fields->size = (uint32_t)p->fields.size;
	memcpy(fields->at, p->fields.at, p->fields.size);
	return VERDICT_AGAIN;
}

/* Whether the path is one to which ebb itself delivers. */
static bool is_internal(const struct service *s, const struct http_head *head,
			const struct passage *p)
{
	struct http_slice path = p->target.size ? p->target : head->path;
	const char *query = memchr(path.at, '?', path.size);
	uint64_t key = 0;

	if (query)
		path.size = (size_t)(query - path.at);
	for (size_t n = 0; n < TRIGGERS_MAX && s->record.internal[n]; n++) {
		if (!key)
			key = http_path_key(path);
		if (s->record.internal[n] == key)
			return true;
	}
	return false;
}

/* Refuses a request before any byte of its head is written. VERDICT_AGAIN: it is fine. */
static enum verdict check(struct gateway *g, struct client *c, struct http_head *head,
			  const struct passage *p)
{
	const struct service *s = p->service;
	const char *why;
	int r = head->asks_upgrade ? http_upgrade_request(head, &why) : 0;

	if (r > 0)
		return exchange_fail(g, c, r == 426 ? EDGE_UPGRADE_REQUIRED : EDGE_BAD_HANDSHAKE, 0,
				     "The WebSocket handshake was refused: %s.", why);
	if (!g->routes_known) /* a service may be known before its shares of traffic */
		return exchange_fail(g, c, EDGE_STARTING, 0,
				     "ebb starts and does not know its services yet.");
	if (p->end != PASSAGE_ON)
		return end_passage(g, c, p);
	if (!s)
		return exchange_fail(g, c, EDGE_NO_SERVICE, 0,
				     c->binding    ? "The service of this binding was removed."
				     : c->delivery ? "The service of this delivery was removed."
						   : "No service has this host or path.");
	if (!c->delivery && is_internal(s, head, p)) /* a binding is no right to the queues of s */
		return exchange_fail(g, c, EDGE_NO_SERVICE, 0,
				     "Only ebb delivers to this path: send to its topic.");
	if (c->binding && c->x.depth == DEPTH_MAX)
		return loop_detected(g, c);
	c->x.up.max = body_bytes_max(g, s);
	if (head->framing == HTTP_LENGTH && head->body_bytes > c->x.up.max)
		return relay_too_large(g, c);
	return p->fields.size ? keep_fields(g, c, p) : VERDICT_AGAIN;
}

/* Writes the request, with the bytes of its body that were received. */
static enum verdict take(struct gateway *g, struct client *c, const struct http_head *head,
			 const struct passage *p, uint32_t head_bytes)
{
	size_t made = p->target.size + p->fallback.size;
	uint32_t bytes = head_bytes + made + HEAD_GROWTH_MAX <= BUFFER_UNIT
				 ? BUFFER_UNIT
				 : g->io.buffers->large_bytes;
	int r;

	c->x.service = p->service->record.index;
	c->x.kind = blame_kind(head->method, head->path);
	r = write_request(g, c, head, p, bytes);
	stream_consume(&g->io, &c->s, head_bytes);
	if (r == 0)
		r = join_body(g, c);
	if (r == -EFBIG)
		return relay_too_large(g, c);
	if (r == -EBADMSG)
		return exchange_fail(g, c, EDGE_BAD_CHUNKS, 0, "The chunked body is malformed.");
	if (r < 0) {
		g->count.no_buffer++;
		return exchange_fail(g, c, EDGE_OVERLOADED, 0, "The gateway has no buffer left.");
	}
	if (c->x.up.in_done && c->s.in.size == 0 && !buffers_low(g->io.buffers))
		stream_recv(&g->io, &c->s); /* so that the end of the connection is seen */
	return VERDICT_AGAIN;
}

static struct service *find_service(struct gateway *g, const struct client *c,
				    const struct http_head *head, bool *fixed)
{
	if (c->binding)
		return caller_service(g, c, fixed);
	return c->delivery ? delivery_service(g, head, fixed)
			   : routes_find(&g->routes, head->host, head->path);
}

static void request_begin(struct gateway *g, struct client *c, struct http_head *head,
			  uint32_t head_bytes)
{
	bool fixed = false;
	struct passage p = {.service = find_service(g, c, head, &fixed)};
	struct service *s;
	enum verdict v;

	if (g->sites.count > 0 && !client_is_inside(c))
		sites_pass(&g->sites, &g->routes, head, p.service, &p);
	s = p.service;
	begin(g, c, head);
	if (c->binding)
		c->x.depth =
			(uint8_t)callers_depth(&g->callers, (c->binding - 1) / BINDINGS_MAX, head);
	if (s && s->first_variant && !fixed && !p.fixed)
		s = routes_share(&g->routes, s, mix(g->id_seed ^ g->id_next << 20));
	p.service = s;
	v = check(g, c, head, &p);
	if (v == VERDICT_AGAIN)
		v = take(g, c, head, &p, head_bytes);
	else
		stream_consume(&g->io, &c->s, head_bytes);
	exchange_begin(g, c, v);
}

void request_refuse(struct gateway *g, struct client *c, int status, const char *why)
{
	c->x = (struct exchange){.service = STATS_NO_SERVICE,
				 .is = {.last = true},
				 .arrived_ns = gateway_now(g),
				 .request = {.buffer = BUFFER_NONE}};
	client_enter(c, CLIENT_READY);
	make_id(g, c->x.id);
	flow_init(&c->x.up, HTTP_UNTIL_CLOSE, HTTP_UNTIL_CLOSE, 0);
	flow_init(&c->x.down, HTTP_NO_BODY, HTTP_NO_BODY, 0);
	g->count.requests++;
	account_begin(g, c, NULL);
	exchange_begin(
		g, c,
		exchange_fail(g, c, edge_of_head(status), 0, "The request was refused: %s.", why));
}

/* Skips empty lines before a request line (RFC 9112 section 2.2). */
static void skip_empty_lines(struct gateway *g, struct client *c)
{
	uint32_t n = 0;

	while (n + 1 < c->s.in.size && c->s.in.at[n] == '\r' && c->s.in.at[n + 1] == '\n')
		n += 2;
	if (n)
		stream_consume(&g->io, &c->s, n);
}

void request_too_large(struct gateway *g, struct client *c)
{
	uint32_t seen = c->s.in.size < g->config.target_bytes_max ? c->s.in.size
								  : g->config.target_bytes_max;

	/* The request line has not ended, so it is the target that is too long. */
	if (g->config.target_bytes_max && !memchr(c->s.in.at, '\n', seen)) {
		g->count.targets_too_long++;
		request_refuse(g, c, 414, "its target is too long");
		return;
	}
	g->count.heads_too_large++;
	request_refuse(g, c, 431, "the head is too large");
}

/* The configured limits, which are tighter than those of the parser. */
static int over_limits(const struct gateway *g, const struct http_head *head, const char **why)
{
	if (g->config.target_bytes_max && head->target.size > g->config.target_bytes_max) {
		*why = "its target is too long";
		return 414;
	}
	if (g->config.head_fields_max && head->header_count > g->config.head_fields_max) {
		*why = "too many header lines";
		return 431;
	}
	return 0;
}

static void count_refusal(struct gateway *g, int status)
{
	g->count.heads_too_large += status == 431;
	g->count.targets_too_long += status == 414;
}

void request_read(struct gateway *g, struct client *c)
{
	struct http_head head;
	const char *why;
	long end;
	int status, preface = g->session_user->is_preface(g, c);

	must(c->state == CLIENT_HEAD && c->s.in.size > 0);
	if (preface == 1) {
		g->session_user->begin(g, c);
		return;
	}
	if (c->s.in.at[0] == '\r') {
		skip_empty_lines(g, c);
		c->head_seen = 0;
	}
	end = c->s.in.size && preface < 0 ? http_head_end(c->s.in.at, c->s.in.size, c->head_seen,
							  g->config.head_bytes_max)
					  : 0;
	if (end == 0) {
		if (c->head_seen == 0 && c->s.in.size)
			exchange_set_deadline(
				g, c, gateway_now(g) + g->config.head_timeout_ms * NS_PER_MS);
		c->head_seen = c->s.in.size;
		stream_stash(&g->io, &c->s, g->stashes + (size_t)c->s.index * STASH_BYTES,
			     STASH_BYTES);
		stream_recv(&g->io, &c->s);
		return;
	}
	if (end < 0) {
		request_too_large(g, c);
		return;
	}
	status = http_request_parse(c->s.in.at, (size_t)end, &head, &why);
	if (status == 0)
		status = over_limits(g, &head, &why);
	if (status) {
		count_refusal(g, status);
		request_refuse(g, c, status, why);
	} else {
		request_begin(g, c, &head, (uint32_t)end);
	}
}
