// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/message/serialize.h"

#include <string.h>
#include <strings.h>
#include "runtime/base/mem.h"
#include "runtime/gateway/message/forwarded.h"
#include "runtime/http/trace.h"

#define DEADLINE_DIGITS 13

/* Whether some Connection field names more than keep-alive or close, so that each field has to be
 * looked up there. */
static bool names_fields(const struct http_head *head)
{
	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		if (h->field == HTTP_FIELD_CONNECTION &&
		    !http_slice_is_nocase(h->value, "keep-alive") &&
		    !http_slice_is_nocase(h->value, "close"))
			return true;
	}
	return false;
}

/* Whether one of these lines has the name. Cookies stand beside each other. */
static bool lines_name(struct http_slice lines, struct http_slice name)
{
	const char *at = lines.at, *end = lines.at + lines.size;

	if (http_slice_is_nocase(name, "set-cookie"))
		return false;
	while (at < end) {
		const char *next = memchr(at, '\n', (size_t)(end - at));

		must(next);
		if ((size_t)(next - at) > name.size && at[name.size] == ':' &&
		    strncasecmp(at, name.at, name.size) == 0)
			return true;
		at = next + 1;
	}
	return false;
}

/* Writes the fields that go on to the other side, without the fields in drop (a bit per enum
 * http_field) and those that lines name. Returns the bits of the written fields. */
static unsigned int write_fields(struct writer *w, const struct http_head *head, unsigned int drop,
				 struct http_slice lines)
{
	bool named = names_fields(head);
	unsigned int seen = 0;

	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		seen |= 1u << h->field;
		if (drop >> h->field & 1)
			continue;
		if (named && h->field == HTTP_FIELD_OTHER && http_connection_names(head, h->name))
			continue;
		if (lines.size && lines_name(lines, h->name))
			continue;
		writer_field(w, h);
	}
	return seen;
}

#define DROP(name) (1u << HTTP_FIELD_##name)

/* The host and port that the request means: those of the target if it has some, else of Host. */
static struct http_slice authority(const struct http_head *head)
{
	struct http_slice a = head->host;

	if (a.size == 0) /* HTTP/1.0 needs no Host, HTTP/1.1 to the instance does */
		return (struct http_slice){"localhost", 9};
	if (head->host_has_port) {
		a.size++;
		while (a.at[a.size] >= '0' && a.at[a.size] <= '9')
			a.size++;
	}
	return a;
}

static void write_target(struct writer *w, const struct http_head *head)
{
	if (head->path.size == 0)
		writer_lit(w, "/");
	writer_slice(w, head->path);
	if (head->query.at > head->target.at && head->query.at[-1] == '?') {
		writer_lit(w, "?");
		writer_slice(w, head->query);
	}
}

void request_set_deadline(char *deadline_at, uint64_t deadline_ms)
{
	for (int i = DEADLINE_DIGITS - 1; i >= 0; i--) {
		deadline_at[i] = (char)('0' + deadline_ms % 10);
		deadline_ms /= 10;
	}
}

/* A single valid traceparent goes on as it is, with its tracestate. Anything else is dropped. */
static bool continues_trace(const struct http_head *head)
{
	const struct http_header *parent = NULL;

	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		if (h->field != HTTP_FIELD_TRACE || h->name.size != 11) /* traceparent */
			continue;
		if (parent)
			return false;
		parent = h;
	}
	return parent && http_traceparent_valid(parent->value);
}

/* Begins a trace, named like the request. It is marked as sampled, so that the next hop decides. */
static void start_trace(struct writer *w, struct http_slice id)
{
	writer_lit(w, "traceparent: 00-");
	writer_slice(w, id);
	writer_lit(w, "-");
	writer_text(w, id.at + id.size / 2, id.size / 2);
	writer_lit(w, "-01\r\n");
}

/* The x-request-id of the client, if its length is usable, else our id. Its text means nothing to
 * us. */
static struct http_slice request_id(const struct http_head *head, const struct request_extras *x)
{
	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		if (h->field == HTTP_FIELD_REQUEST_ID && h->value.size && h->value.size <= 128)
			return h->value;
	}
	return x->request_id;
}

/* Whether the instance gets "te: trailers". TE is a field of one hop: a client that names it in
 * Connection takes trailers, and the gateway passes them. */
static bool goes_on(const struct http_head *head, const struct request_extras *x)
{
	return head->te_trailers &&
	       (x->http2 || http_connection_names(head, (struct http_slice){"te", 2}));
}

/* The words of ebb-flow about a run; from anybody else these fields are dropped. */
static void write_run(struct writer *w, const struct http_head *head)
{
	static const char *const names[] = {"x-ebb-run", "x-ebb-schedule", "x-ebb-scheduled",
					    "x-ebb-attempt"};

	for (size_t n = 0; n < ARRAY_LEN(names); n++) {
		const struct http_header *h = http_find(head, names[n]);

		if (h)
			writer_field(w, h);
	}
}

void request_write(struct writer *w, const struct http_head *head, const struct request_extras *x,
		   char **deadline_at)
{
	struct http_slice host = authority(head);
	bool traced = continues_trace(head);

	writer_slice(w, head->method);
	writer_lit(w, " ");
	if (x->target.at)
		writer_slice(w, x->target);
	else
		write_target(w, head);
	writer_lit(w, " HTTP/1.1\r\nhost: ");
	writer_slice(w, host);
	writer_lit(w, "\r\n");
	write_fields(w, head,
		     DROP(HOST) | DROP(TRANSFER_ENCODING) | DROP(CONNECTION) | DROP(EXPECT) |
			     DROP(HOP) | DROP(FORWARDED) | DROP(EBB) | DROP(REQUEST_ID) |
			     DROP(LOOKALIKE) | (traced ? 0 : DROP(TRACE)) |
			     (x->chunked ? 0 : DROP(TRAILER)) |
			     (head->upgrade && !head->websocket ? 0 : DROP(UPGRADE)),
		     (struct http_slice){NULL, 0});
	if (x->delivery)
		write_run(w, head);
	if (!traced)
		start_trace(w, x->request_id);
	if (x->http2)
		writer_lit(w, "via: 2.0 ebb\r\n");
	else if (head->minor_version == 0)
		writer_lit(w, "via: 1.0 ebb\r\n");
	else
		writer_lit(w, "via: 1.1 ebb\r\n");
	if (head->upgrade)
		writer_lit(w, "connection: upgrade\r\n");
	if (head->websocket)
		writer_lit(w, "upgrade: websocket\r\n");
	else if (goes_on(head, x) && !head->upgrade)
		writer_lit(w, "te: trailers\r\nconnection: te\r\n");
	if (x->chunked)
		writer_lit(w, "transfer-encoding: chunked\r\n");
	if (x->trusted)
		forwarded_extend(w, head, host, x->peer);
	else
		forwarded_write(w, host, x->peer);
	writer_lit(w, "x-request-id: ");
	writer_slice(w, request_id(head, x));
	writer_lit(w, "\r\nx-ebb-id: ");
	writer_slice(w, x->request_id);
	if (x->caller.size) {
		writer_lit(w, "\r\nx-ebb-caller: ");
		writer_slice(w, x->caller);
	}
	if (x->depth != NO_DEPTH) {
		writer_lit(w, "\r\nx-ebb-depth: ");
		writer_u64(w, x->depth);
	}
	if (x->fallback.at) {
		writer_lit(w, "\r\nx-ebb-fallback: ");
		writer_slice(w, x->fallback);
	}
	writer_lit(w, "\r\nx-ebb-deadline: ");
	*deadline_at = w->at;
	writer_lit(w, "0000000000000\r\n\r\n");
	if (!w->overflow)
		request_set_deadline(*deadline_at, x->deadline_ms);
}

static void write_timing(struct writer *w, const struct response_extras *x)
{
	const struct {
		const char *name;
		uint64_t us;
	} spans[] = {{"queue", x->queue_us}, {"thaw", x->thaw_us}, {"fn", x->fn_us}};

	writer_lit(w, "server-timing: ");
	for (int i = 0; i < 3; i++) {
		char tenths[3] = {'.', (char)('0' + spans[i].us / 100 % 10),
				  (char)('0' + spans[i].us / 10 % 10)};

		writer_text(w, spans[i].name, strlen(spans[i].name));
		writer_lit(w, ";dur=");
		writer_u64(w, spans[i].us / 1000);
		writer_text(w, tenths, 3);
		i < 2 ? writer_lit(w, ", ") : writer_lit(w, "\r\n");
	}
}

void response_write(struct writer *w, const struct http_head *head, const struct response_extras *x)
{
	bool interim = head->status < 200;
	unsigned int seen;

	writer_lit(w, "HTTP/1.1 ");
	writer_u64(w, (uint64_t)head->status);
	writer_lit(w, " ");
	writer_slice(w, head->reason);
	writer_lit(w, "\r\n");
	/* No length where there can be no body (RFC 9110 section 8.6). */
	seen = write_fields(w, head,
			    DROP(TRANSFER_ENCODING) | DROP(CONNECTION) | DROP(HOP) | DROP(EBB) |
				    DROP(LOOKALIKE) | (head->upgrade ? 0 : DROP(UPGRADE)) |
				    (x->trailers ? 0 : DROP(TRAILER)) |
				    (interim || head->status == 204 ? DROP(CONTENT_LENGTH) : 0),
			    x->fields);
	if (x->fields.size)
		writer_slice(w, x->fields);
	if (!interim && !(seen & DROP(DATE))) {
		writer_lit(w, "date: ");
		writer_slice(w, x->date);
		writer_lit(w, "\r\n");
	}
	if (head->upgrade)
		writer_lit(w, "connection: upgrade\r\n");
	else if (x->close)
		writer_lit(w, "connection: close\r\n");
	else if (x->keep_alive_10)
		writer_lit(w, "connection: keep-alive\r\n");
	if (x->chunked)
		writer_lit(w, "transfer-encoding: chunked\r\n");
	writer_lit(w, "x-ebb-id: ");
	writer_slice(w, x->request_id);
	writer_lit(w, "\r\nx-ebb-instance: ");
	writer_slice(w, x->instance);
	writer_lit(w, "\r\nx-ebb-start: ");
	writer_slice(w, x->start);
	writer_lit(w, "\r\n");
	if (x->timing)
		write_timing(w, x);
	writer_lit(w, "\r\n");
}
