// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "runtime/http/scan.h"
#include "runtime/http/strict.h"

long http_head_end(const char *text, size_t size, size_t seen, size_t max)
{
	const char *end = text + size;
	const char *p = text + (seen > 3 ? seen - 3 : 0);

	/* A bare LF ends a line here too, so that the parser can refuse it; else the client would
	 * wait for a timeout. */
	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if (p < end && *p == '\r')
			p++;
		if (p < end && *p == '\n') {
			size_t head = (size_t)(p + 1 - text);

			return head <= max ? (long)head : -EMSGSIZE;
		}
	}
	return size >= max ? -EMSGSIZE : 0;
}

bool http_slice_is(struct http_slice s, const char *text)
{
	return strlen(text) == s.size && memcmp(s.at, text, s.size) == 0;
}

const struct http_header *http_find(const struct http_head *head, const char *name)
{
	for (size_t i = 0; i < head->header_count; i++)
		if (http_slice_is_nocase(head->headers[i].name, name))
			return &head->headers[i];
	return NULL;
}

bool http_connection_names(const struct http_head *head, struct http_slice name)
{
	for (size_t i = 0; i < head->header_count; i++)
		if (head->headers[i].field == HTTP_FIELD_CONNECTION &&
		    http_list_names(head->headers[i].value, name))
			return true;
	return false;
}

static int refuse(int status, const char *sentence, const char **why)
{
	*why = sentence;
	return status;
}

/* "HTTP/1.1" -> 1. A well-formed version that is not ours is 505, anything else 400. */
static int parse_version(struct http_slice s, int *minor, const char **why)
{
	if (s.size != 8 || memcmp(s.at, "HTTP/", 5) != 0 || s.at[6] != '.' || s.at[5] < '0' ||
	    s.at[5] > '9' || s.at[7] < '0' || s.at[7] > '9')
		return refuse(400, "the version is not HTTP/1.0 or HTTP/1.1", why);
	if (s.at[5] != '1' || s.at[7] > '1')
		return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here", why);
	*minor = s.at[7] - '0';
	return 0;
}

static void split_path(struct http_slice target, struct http_head *out)
{
	const char *mark = memchr(target.at, '?', target.size);
	size_t size = mark ? (size_t)(mark - target.at) : target.size;

	out->path = (struct http_slice){target.at, size};
	out->query = mark ? (struct http_slice){mark + 1, target.size - size - 1}
			  : (struct http_slice){target.at + size, 0};
}

/* Parses http://authority/path: the authority replaces Host (RFC 9112 section 3.2.2). */
static int parse_absolute(struct http_head *out, const char **why)
{
	struct http_slice t = out->target, authority, rest;
	size_t skip = strncasecmp(t.at, "http://", t.size < 7 ? t.size : 7) == 0    ? 7
		      : strncasecmp(t.at, "https://", t.size < 8 ? t.size : 8) == 0 ? 8
										    : 0;
	size_t n = 0;

	if (skip == 0 || t.size <= skip)
		return refuse(400, "the request target is not a path or an http URL", why);
	rest = (struct http_slice){t.at + skip, t.size - skip};
	while (n < rest.size && rest.at[n] != '/' && rest.at[n] != '?')
		n++;
	authority = (struct http_slice){rest.at, n};
	if (!http_split_host(authority, &out->host, &out->host_has_port))
		return refuse(400, "the authority of the request target is not a host", why);
	split_path((struct http_slice){rest.at + n, rest.size - n}, out);
	if (n == rest.size && http_slice_is(out->method, "OPTIONS")) {
		/* The last proxy must send "*" to the server (RFC 9112 section 3.2.4). */
		out->path = (struct http_slice){"*", 1};
		out->query = (struct http_slice){rest.at + n, 0};
	}
	return 0;
}

static int parse_target(struct http_head *out, const char **why)
{
	if (!http_target_clean(out->target))
		return refuse(400, "the request target holds a character that may not stand there",
			      why);
	if (http_slice_is(out->method, "CONNECT"))
		return refuse(501, "CONNECT is not supported", why);
	if (http_slice_is(out->method, "TRACE"))
		return refuse(501, "TRACE is not supported", why);
	if (out->target.at[0] == '/') {
		split_path(out->target, out);
		return 0;
	}
	if (http_slice_is(out->target, "*") && http_slice_is(out->method, "OPTIONS")) {
		out->path = out->target;
		out->query = (struct http_slice){out->target.at + 1, 0};
		return 0;
	}
	return parse_absolute(out, why);
}

static int parse_request_line(struct http_slice line, struct http_head *out, const char **why)
{
	const char *first = memchr(line.at, ' ', line.size);
	const char *last = memrchr(line.at, ' ', line.size);

	if (!first || first == line.at || first == last)
		return refuse(400, "the request line is not METHOD TARGET VERSION", why);
	out->method = (struct http_slice){line.at, (size_t)(first - line.at)};
	for (size_t i = 0; i < out->method.size; i++)
		if (!http_is_token_char((unsigned char)out->method.at[i]))
			return refuse(400, "the method is not a token", why);
	out->target = (struct http_slice){first + 1, (size_t)(last - first - 1)};
	return parse_version(
		(struct http_slice){last + 1, (size_t)(line.at + line.size - last - 1)},
		&out->minor_version, why);
}

static int parse_length(struct http_slice s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.size == 0 || s.size > 18)
		return -EINVAL;
	for (size_t i = 0; i < s.size; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(s.at[i] - '0');
	}
	*out = value;
	return 0;
}

/* Refuses a Transfer-Encoding that is not just "chunked". 501: other codings stand before chunked.
 * 400: the end of the body is not known (RFC 9112 section 6.3). */
static int refuse_coding(struct http_slice coding, const char **why)
{
	const char *comma = memrchr(coding.at, ',', coding.size);
	size_t first = comma ? (size_t)(comma - coding.at) : 0;
	struct http_slice before = {coding.at, first},
			  last = {coding.at + first, coding.size - first};

	if (!comma || http_list_has(before, "chunked") || !http_list_has(last, "chunked"))
		return refuse(400, "Transfer-Encoding is not chunked", why);
	return refuse(501, "only the transfer coding chunked is spoken", why);
}

/* Content-Length and Transfer-Encoding, by the same rules for both directions (RFC 9112 section 6).
 */
static int parse_framing(const struct http_fields *f, struct http_head *out, const char **why)
{
	if (f->coding_count && f->length_count)
		return refuse(400, "both Content-Length and Transfer-Encoding", why);
	if (f->length_count > 1)
		return refuse(400, "Content-Length is repeated", why);
	if (f->coding_count > 1)
		return refuse(400, "Transfer-Encoding is repeated", why);
	if (f->length_count) {
		if (parse_length(f->length, &out->body_bytes) < 0)
			return refuse(400, "Content-Length is not a number", why);
		out->framing = out->body_bytes ? HTTP_LENGTH : HTTP_NO_BODY;
	}
	if (f->coding_count) {
		if (out->minor_version == 0)
			return refuse(400, "Transfer-Encoding in HTTP/1.0", why);
		if (!http_slice_is_nocase(f->coding, "chunked"))
			return refuse_coding(f->coding, why);
		out->framing = HTTP_CHUNKED;
	}
	return 0;
}

static int check_host(const struct http_fields *f, struct http_head *out, const char **why)
{
	struct http_slice host = {"", 0};
	bool has_port = false;

	if (f->host_count > 1)
		return refuse(400, "Host is repeated", why);
	if (f->host_count == 0 && out->minor_version == 1)
		return refuse(400, "Host is missing", why);
	if (f->host_count == 1 && !http_split_host(f->host, &host, &has_port))
		return refuse(400, "Host is not a host name", why);
	if (out->host.size == 0) {
		out->host = host;
		out->host_has_port = has_port;
	}
	return 0;
}

static void reset(struct http_head *out)
{
	/* Clears everything but the header array, in which header_count says what is valid:
	 * clearing it would cost more than parsing. */
	memset(out, 0, offsetof(struct http_head, headers));
}

int http_request_parse(const char *text, size_t size, struct http_head *out, const char **why)
{
	struct http_slice rest = {text, size}, line;
	struct http_fields f = {.count_max = HTTP_REQUEST_FIELDS_MAX};
	enum http_opinion opinion;
	int status;

	reset(out);
	if ((status = http_take_line(&rest, &line, false, why)) ||
	    (status = parse_request_line(line, out, why)) || (status = parse_target(out, why)) ||
	    (status = http_scan_fields(rest, out, &f, why)) ||
	    (status = parse_framing(&f, out, why)) || (status = check_host(&f, out, why)))
		return status;
	if (f.expect_other && out->minor_version == 1)
		return refuse(417, "only 100-continue can be expected", why);
	out->keep_alive =
		!f.connection_close && (out->minor_version == 1 || f.connection_keep_alive);
	out->upgrade = out->minor_version == 1 && f.connection_upgrade && f.has_upgrade;
	out->asks_upgrade = f.has_upgrade;
	out->expect_continue = out->minor_version == 1 && f.expect_continue;
	out->te_trailers = out->minor_version == 1 && f.te_trailers;
	opinion = http_strict_check(text, size, true, out, f.length_count, f.coding_count, f.spaced,
				    why);
	if (opinion == HTTP_BAD_METHOD)
		return refuse(501, "the method is not known", why);
	if (opinion == HTTP_DIFFERS)
		return refuse(400, "the head can be read in two ways", why);
	return opinion == HTTP_AGREES ? 0 : 400;
}

static int parse_status_line(struct http_slice line, struct http_head *out, const char **why)
{
	int status = 0;

	if (line.size < 12 || line.at[8] != ' ' || (line.size > 12 && line.at[12] != ' '))
		return refuse(502, "the status line is not VERSION STATUS REASON", why);
	if (parse_version((struct http_slice){line.at, 8}, &out->minor_version, why))
		return 502;
	for (size_t i = 9; i < 12; i++) {
		if (line.at[i] < '0' || line.at[i] > '9')
			return refuse(502, "the status is not a number", why);
		status = status * 10 + (line.at[i] - '0');
	}
	if (status < 100 || status > 599)
		return refuse(502, "the status is not 100..599", why);
	out->status = status;
	out->reason = line.size > 13 ? (struct http_slice){line.at + 13, line.size - 13}
				     : (struct http_slice){line.at + line.size, 0};
	if (!http_text_clean(out->reason))
		return refuse(502, "the reason phrase holds a control byte", why);
	return 0;
}

static bool never_has_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

static int parse_response(const char *text, size_t size, bool method_was_head, bool own,
			  struct http_head *out, const char **why)
{
	struct http_slice rest = {text, size}, line;
	struct http_fields f = {.count_max = HTTP_HEADERS_MAX, .own = own};

	reset(out);
	if (http_take_line(&rest, &line, own, why) || parse_status_line(line, out, why) ||
	    http_scan_fields(rest, out, &f, why) || parse_framing(&f, out, why))
		return 502;
	switch (http_strict_check(text, size, false, out, f.length_count, f.coding_count,
				  own || f.spaced, why)) {
	case HTTP_AGREES:
		break;
	case HTTP_REFUSED:
		return 502;
	default:
		return refuse(502, "the head can be read in two ways", why);
	}
	out->keep_alive =
		!f.connection_close && (out->minor_version == 1 || f.connection_keep_alive);
	out->upgrade = out->status == 101;
	/* The answer has no body but announces one, so where it ends is not known (RFC 9110 section
	 * 8.6). */
	if (out->framing != HTTP_NO_BODY && (out->status < 200 || out->status == 204 ||
					     (out->status == 304 && out->framing == HTTP_CHUNKED)))
		out->keep_alive = false;
	if (method_was_head || never_has_body(out->status)) {
		out->framing = HTTP_NO_BODY;
		out->body_bytes = 0;
	} else if (f.length_count == 0 && f.coding_count == 0) {
		out->framing = HTTP_UNTIL_CLOSE;
		out->keep_alive = false;
	}
	return 0;
}

int http_response_parse(const char *text, size_t size, bool method_was_head, struct http_head *out,
			const char **why)
{
	return parse_response(text, size, method_was_head, false, out, why);
}

/* Unfolds lines: a line that begins with white space continues the line before, so spaces take the
 * place of the line end. The status line is never continued. */
static void unfold(char *text, size_t size)
{
	char *end = text + size, *lf = memchr(text, '\n', size);

	while (lf && lf + 1 < end && (lf = memchr(lf + 1, '\n', (size_t)(end - lf - 1)))) {
		if (lf + 1 == end || (lf[1] != ' ' && lf[1] != '\t'))
			continue;
		*lf = ' ';
		if (lf[-1] == '\r')
			lf[-1] = ' ';
	}
}

int http_response_parse_own(char *text, size_t size, bool method_was_head, struct http_head *out,
			    const char **why)
{
	unfold(text, size);
	return parse_response(text, size, method_was_head, true, out, why);
}
