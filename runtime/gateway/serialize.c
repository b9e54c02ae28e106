// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/serialize.h"

#include <string.h>

#define DEADLINE_DIGITS 13

void writer_text(struct writer *w, const char *text, size_t size)
{
	if ((size_t)(w->end - w->at) < size) {
		w->overflow = true;
		return;
	}
	memcpy(w->at, text, size);
	w->at += size;
}

void writer_slice(struct writer *w, struct http_slice s)
{
	writer_text(w, s.at, s.size);
}

void writer_u64(struct writer *w, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	writer_text(w, digits + at, sizeof(digits) - at);
}

static void write_field(struct writer *w, const struct http_header *h)
{
	writer_slice(w, h->name);
	writer_lit(w, ": ");
	writer_slice(w, h->value);
	writer_lit(w, "\r\n");
}

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

/* The fields that go on to the other side, those in drop (bit per enum http_field) left out. */
static void write_fields(struct writer *w, const struct http_head *head, unsigned int drop)
{
	bool named = names_fields(head);

	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		if (drop >> h->field & 1)
			continue;
		if (named && h->field == HTTP_FIELD_OTHER && http_connection_names(head, h->name))
			continue;
		write_field(w, h);
	}
}

#define DROP(name) (1u << HTTP_FIELD_##name)

/* Host as the request means it, with its port: of the target if that has one, else of the field. */
static struct http_slice authority(const struct http_head *head)
{
	struct http_slice a = head->host;

	if (a.size == 0) /* HTTP/1.0 may have none, 1.1 behind us may not */
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

static void write_forwarded(struct writer *w, struct http_slice host, struct http_slice peer)
{
	bool v6 = memchr(peer.at, ':', peer.size) != NULL;

	writer_lit(w, "x-forwarded-for: ");
	writer_slice(w, peer);
	writer_lit(w, "\r\nx-forwarded-proto: http\r\nx-forwarded-host: ");
	writer_slice(w, host);
	writer_lit(w, "\r\nforwarded: for=");
	v6 ? writer_lit(w, "\"[") : (void)0;
	writer_slice(w, peer);
	v6 ? writer_lit(w, "]\"") : (void)0;
	writer_lit(w, ";host=\"");
	writer_slice(w, host);
	writer_lit(w, "\";proto=http\r\n");
}

void request_set_deadline(char *deadline_at, uint64_t deadline_ms)
{
	for (int i = DEADLINE_DIGITS - 1; i >= 0; i--) {
		deadline_at[i] = (char)('0' + deadline_ms % 10);
		deadline_ms /= 10;
	}
}

void request_write(struct writer *w, const struct http_head *head, const struct request_extras *x,
		   char **deadline_at)
{
	struct http_slice host = authority(head);
	const struct http_header *id = NULL;

	for (size_t i = 0; i < head->header_count && !id; i++)
		if (head->headers[i].field == HTTP_FIELD_REQUEST_ID)
			id = &head->headers[i];
	writer_slice(w, head->method);
	writer_lit(w, " ");
	write_target(w, head);
	writer_lit(w, " HTTP/1.1\r\nhost: ");
	writer_slice(w, host);
	writer_lit(w, "\r\n");
	write_fields(w, head,
		     DROP(HOST) | DROP(TRANSFER_ENCODING) | DROP(CONNECTION) | DROP(EXPECT) |
			     DROP(HOP) | DROP(FORWARDED) | DROP(EBB) | DROP(REQUEST_ID) |
			     (head->upgrade && !head->websocket ? 0 : DROP(UPGRADE)));
	if (head->upgrade)
		writer_lit(w, "connection: upgrade\r\n");
	if (head->websocket)
		writer_lit(w, "upgrade: websocket\r\n");
	if (x->chunked)
		writer_lit(w, "transfer-encoding: chunked\r\n");
	write_forwarded(w, host, x->peer);
	writer_lit(w, "x-request-id: ");
	writer_slice(w, id && id->value.size <= 128 && id->value.size ? id->value : x->request_id);
	writer_lit(w, "\r\nx-ebb-id: ");
	writer_slice(w, x->request_id);
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
	writer_lit(w, "HTTP/1.1 ");
	writer_u64(w, (uint64_t)head->status);
	writer_lit(w, " ");
	writer_slice(w, head->reason);
	writer_lit(w, "\r\n");
	write_fields(w, head,
		     DROP(TRANSFER_ENCODING) | DROP(CONNECTION) | DROP(HOP) | DROP(EBB) |
			     (head->upgrade ? 0 : DROP(UPGRADE)));
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
