// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/h2_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "runtime/http/scan.h"

void h2_head_init(struct h2_head *h, char *text, uint32_t room, uint32_t size_max)
{
	*h = (struct h2_head){.text = text, .room = room, .size_max = size_max};
}

void h2_head_move(struct h2_head *h, char *text, uint32_t room)
{
	h->text = text;
	h->room = room;
}

static int refuse(struct h2_head *h, int status, const char *why)
{
	if (h->status == 0) {
		h->status = status;
		h->why = why;
	}
	return 0;
}

static void put(struct h2_head *h, const char *text, size_t size)
{
	memcpy(h->text + h->size, text, size);
	h->size += (uint32_t)size;
}
#define put_lit(h, literal) put(h, literal, sizeof(literal) - 1)

static void put_span(struct h2_head *h, struct h2_span s)
{
	put(h, h->text + s.at, s.size);
}

static struct http_slice slice_of(const struct h2_head *h, struct h2_span s)
{
	return (struct http_slice){h->text + s.at, s.size};
}

static bool is_lower_token(struct http_slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (!http_is_token_char((unsigned char)s.at[i]) ||
		    (s.at[i] >= 'A' && s.at[i] <= 'Z'))
			return false;
	return s.size > 0;
}

static bool is_token(struct http_slice s)
{
	for (size_t i = 0; i < s.size; i++)
		if (!http_is_token_char((unsigned char)s.at[i]))
			return false;
	return s.size > 0;
}

/* Keeps ":method" and the like as they are until the first line is written. */
static int take_pseudo(struct h2_head *h, struct http_slice name, struct http_slice value)
{
	const struct {
		const char *name;
		struct h2_span *span;
	} known[] = {{":method", &h->method},
		     {":path", &h->path},
		     {":scheme", &h->scheme},
		     {":authority", &h->authority}};

	if (h->begin)
		return refuse(h, 400, "a pseudo-header field stands behind the others");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!http_slice_is(name, known[i].name))
			continue;
		if (known[i].span->size)
			return refuse(h, 400, "a pseudo-header field is repeated");
		if (value.size == 0)
			return refuse(h, 400, "a pseudo-header field is empty");
		if (value.size + 2 > h->room - h->size)
			return -ENOBUFS;
		*known[i].span = (struct h2_span){h->size, (uint32_t)value.size};
		put(h, value.at, value.size);
		return 0;
	}
	return refuse(h, 400, "a pseudo-header field is not known");
}

static bool check_pseudo(struct h2_head *h)
{
	struct http_slice method = slice_of(h, h->method), path = slice_of(h, h->path);
	struct http_slice scheme = slice_of(h, h->scheme);
	bool connect = http_slice_is(method, "CONNECT");

	if (!is_token(method))
		refuse(h, 400, "the method is not a token");
	else if (connect && (path.size || scheme.size || !h->authority.size))
		refuse(h, 400, "CONNECT is with an authority, and nothing else");
	else if (!connect && !http_slice_is_nocase(scheme, "http") &&
		 !http_slice_is_nocase(scheme, "https"))
		refuse(h, 400, "the scheme is not http or https");
	else if (!connect && (!path.size || (path.at[0] != '/' && !http_slice_is(path, "*"))))
		refuse(h, 400, "the path is not one");
	else if (path.size && !http_target_clean(path))
		refuse(h, 400, "the path holds a character that may not stand there");
	else if (h->authority.size && !http_text_clean(slice_of(h, h->authority)))
		refuse(h, 400, "the authority is not a host");
	return h->status == 0;
}

/* Writes the request line and Host. */
static int begin(struct h2_head *h)
{
	uint32_t need = h->method.size + h->path.size + 2 * h->authority.size + 32;

	if (h->begin || h->status || !check_pseudo(h))
		return 0;
	if (need > h->room - h->size)
		return -ENOBUFS;
	h->begin = h->size;
	put_span(h, h->method);
	put_lit(h, " ");
	put_span(h, h->path.size ? h->path : h->authority);
	put_lit(h, " HTTP/1.1\r\n");
	if (h->authority.size) {
		put_lit(h, "host: ");
		put_span(h, h->authority);
		put_lit(h, "\r\n");
	}
	return 0;
}

/* Whether the field is about a connection of HTTP/1.1, which a request of HTTP/2 may not say (RFC
 * 9113 section 8.2.2). */
static bool is_of_connection(struct http_slice name, struct http_slice value)
{
	static const char *const names[] = {"connection", "proxy-connection", "keep-alive",
					    "transfer-encoding", "upgrade"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (http_slice_is(name, names[i]))
			return true;
	return http_slice_is(name, "te") && !http_slice_is_nocase(value, "trailers");
}

static int check_field(struct h2_head *h, struct http_slice name, struct http_slice value)
{
	if (!is_lower_token(name))
		return refuse(h, 400, "a field name is not a token in lower case");
	if (!http_text_clean(value) && value.size)
		return refuse(h, 400, "a header value holds a control byte");
	if (is_of_connection(name, value))
		return refuse(h, 400, "a field of HTTP/1.1 connections");
	return 0;
}

/* Host may stand beside :authority if both are equal. True: Host is not to be written again. */
static bool host_said(struct h2_head *h, struct http_slice value)
{
	struct http_slice authority = slice_of(h, h->authority);

	if (authority.size == 0)
		return false;
	if (authority.size != value.size || strncasecmp(authority.at, value.at, value.size) != 0)
		refuse(h, 400, "Host and :authority differ");
	return true;
}

int h2_head_field(struct h2_head *h, struct http_slice name, struct http_slice value)
{
	int r;

	h->lines++;
	if (h->status)
		return 0;
	if (name.size + value.size + 4 >
	    h->size_max - (h->size < h->size_max ? h->size : h->size_max))
		return refuse(h, 431, "the head is too large");
	if (name.size && name.at[0] == ':')
		return take_pseudo(h, name, value);
	r = begin(h);
	if (r < 0 || h->status || check_field(h, name, value) || h->status)
		return r;
	if (http_slice_is(name, "host") && host_said(h, value))
		return 0;
	if (name.size + value.size + 4 > h->room - h->size)
		return -ENOBUFS;
	h->cookies += http_slice_is(name, "cookie");
	put(h, name.at, name.size);
	put_lit(h, ": ");
	put(h, value.at, value.size);
	put_lit(h, "\r\n");
	return 0;
}

static bool is_cookie(const char *line, size_t size)
{
	return size >= 8 && memcmp(line, "cookie: ", 8) == 0;
}

/* HTTP/2 may send cookies one by one; HTTP/1.1 has one field for all cookies (RFC 9113
 * section 8.2.3). The joined line takes less room than the single lines, and is built behind the
 * single lines. */
static int join_cookies(struct h2_head *h)
{
	uint32_t old_end = h->size, joined = h->size, kept = h->begin;

	if (h->cookies < 2)
		return 0;
	if (old_end - h->begin > h->room - h->size)
		return -ENOBUFS;
	for (uint32_t at = h->begin, size; at < old_end; at += size) {
		const char *line = h->text + at;

		size = (uint32_t)((char *)memchr(line, '\n', old_end - at) + 1 - line);
		if (!is_cookie(line, size)) {
			memmove(h->text + kept, line, size);
			kept += size;
			continue;
		}
		h->size == joined ? put_lit(h, "cookie: ") : put_lit(h, "; ");
		put(h, line + 8, size - 10);
	}
	put_lit(h, "\r\n");
	memmove(h->text + kept, h->text + joined, h->size - joined);
	h->size = kept + h->size - joined;
	h->cookies = 1;
	return 0;
}

static bool has_length(const struct h2_head *h)
{
	for (uint32_t at = h->begin; at < h->size;) {
		const char *line = h->text + at;

		if (h->size - at > 16 && memcmp(line, "content-length: ", 16) == 0)
			return true;
		at += (uint32_t)((char *)memchr(line, '\n', h->size - at) + 1 - line);
	}
	return false;
}

int h2_head_end(struct h2_head *h, bool ended)
{
	int r = begin(h);

	if (r == 0 && h->status == 0)
		r = join_cookies(h);
	if (r < 0 || h->status)
		return r;
	if (h->room - h->size < 40)
		return -ENOBUFS;
	if (!ended && !has_length(h))
		put_lit(h, "transfer-encoding: chunked\r\n");
	put_lit(h, "\r\n");
	return 0;
}

/* Whether the field may be a trailer (RFC 9110 section 6.5.1): not if it says how to read or route
 * the message, who sent it, or on which condition it counts. */
static bool may_trail(const struct http_header *h)
{
	static const char *const never[] = {"authorization",
					    "cookie",
					    "max-forwards",
					    "pragma",
					    "range",
					    "if-match",
					    "if-none-match",
					    "if-modified-since",
					    "if-unmodified-since",
					    "if-range",
					    "cache-control",
					    "content-encoding",
					    "content-range",
					    "content-type",
					    "set-cookie",
					    "content-disposition",
					    "date",
					    "location",
					    "vary",
					    "age",
					    "expires",
					    "www-authenticate",
					    "retry-after"};

	if (h->field != HTTP_FIELD_OTHER)
		return false;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (http_slice_is_nocase(h->name, never[i]))
			return false;
	return true;
}

int http_trailers_parse(const char *text, size_t size, struct http_head *out, const char **why)
{
	struct http_fields fields = {.count_max = HTTP_REQUEST_FIELDS_MAX};
	size_t kept = 0;

	memset(out, 0, offsetof(struct http_head, headers));
	if (http_scan_fields((struct http_slice){text, size}, out, &fields, why))
		return 502;
	for (size_t i = 0; i < out->header_count; i++)
		if (may_trail(&out->headers[i]))
			out->headers[kept++] = out->headers[i];
	out->header_count = kept;
	return 0;
}
