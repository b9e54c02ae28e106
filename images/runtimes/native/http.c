// SPDX-License-Identifier: Apache-2.0
/*
 * The head of a request (RFC 9112 sections 2 to 6; RFC 9110 section 5). The parser is strict: the
 * gateway in front sends only plain heads, so an unusual head is an error. A line ends with CRLF.
 * There is no folding, no bare CR or LF, and no space before a colon. A body has Content-Length,
 * once and decimal, or Transfer-Encoding: chunked, never both.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop.h"

#define NOT_WHOLE   1
#define BAD         (-400)
#define TOO_LARGE   (-431)
#define UNSUPPORTED (-501)
#define BAD_VERSION (-505)

bool is_token(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    (!text[i] || !strchr("!#$%&'*+-.^_`|~", text[i])))
			return false;
	return size > 0;
}

bool is_value(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' ? *text != '\t' : *text == 0x7f)
			return false;
	return true;
}

static int grow(struct ebb_request *rq)
{
	size_t size = 4 * rq->head_size;
	char *head;

	if (rq->head_size >= HEAD_BYTES_MAX)
		return TOO_LARGE;
	head = malloc(size);
	if (!head)
		return TOO_LARGE;
	memcpy(head, rq->head, rq->head_used);
	if (rq->head != rq->head_bytes)
		free(rq->head);
	rq->head = head;
	rq->head_size = size;
	return 0;
}

/* Moves received bytes into the head until its empty line. One byte is kept for the NUL. */
int head_take(struct ebb_request *rq)
{
	while (rq->in_left > 0) {
		size_t before = rq->head_used, room = rq->head_size - 1 - before, from;
		size_t n = rq->in_left < room ? rq->in_left : room;
		const char *end;
		int r;

		memcpy(rq->head + before, rq->in_at, n);
		rq->head_used += n;
		from = before < 3 ? 0 : before - 3;
		end = memmem(rq->head + from, rq->head_used - from, "\r\n\r\n", 4);
		if (end) {
			n = (size_t)(end - rq->head) + 4 - before;
			rq->head_used = before + n;
		}
		rq->in_at += n;
		rq->in_left -= n;
		if (end) {
			rq->head[rq->head_used] = '\0';
			return memchr(rq->head, '\0', rq->head_used) ? BAD : 0;
		}
		if (n < room)
			break;
		r = grow(rq);
		if (r < 0)
			return r;
	}
	return NOT_WHOLE;
}

/* Cuts the next line off. NULL if it holds a bare CR or LF. */
static char *next_line(char **at)
{
	char *line = *at, *end = line + strcspn(line, "\r\n");

	if (end[0] != '\r' || end[1] != '\n')
		return NULL;
	*end = '\0';
	*at = end + 2;
	return line;
}

static int parse_request_line(struct ebb_request *rq, char *line)
{
	char *target = strchr(line, ' '), *version, *query;

	if (!target || !is_token(line, (size_t)(target - line)))
		return BAD;
	*target++ = '\0';
	version = strchr(target, ' ');
	if (!version || version == target)
		return BAD;
	*version++ = '\0';
	for (const char *c = target; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return BAD;
	if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
		return strncmp(version, "HTTP/", 5) == 0 ? BAD_VERSION : BAD;
	rq->http_10 = rq->close_after = version[7] == '0';
	rq->method = line;
	rq->path = target;
	query = strchr(target, '?');
	rq->query = query ? query + 1 : "";
	if (query)
		*query = '\0';
	return 0;
}

static int parse_field(struct ebb_request *rq, char *line)
{
	char *colon = strchr(line, ':'), *value, *end;

	if (!colon || !is_token(line, (size_t)(colon - line)))
		return BAD;
	if (rq->header_count == HEADERS_MAX)
		return TOO_LARGE;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (!is_value(value))
		return BAD;
	rq->headers[rq->header_count++] = (struct header){line, value};
	return 0;
}

/* Takes at most 18 digits, so the number does not overflow. */
static int parse_decimal(const char *text, uint64_t *out)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 18 || text[n])
		return BAD;
	*out = strtoull(text, NULL, 10);
	return 0;
}

static bool lists(const char *value, const char *word)
{
	size_t n = strlen(word);

	for (; *value; value += strcspn(value, ","), value += *value == ',') {
		value += strspn(value, " \t");
		if (strncasecmp(value, word, n) == 0 && strchr(" \t,", value[n]))
			return true;
	}
	return false;
}

static bool is_id(const char *text)
{
	return strlen(text) == ID_CHARS && strspn(text, "0123456789abcdef") == ID_CHARS;
}

struct framing {
	bool has_length, has_coding;
};

static int note_field(struct ebb_request *rq, const struct header *h, struct framing *framing)
{
	if (strcasecmp(h->name, "content-length") == 0) {
		if (framing->has_length)
			return BAD;
		framing->has_length = true;
		return parse_decimal(h->value, &rq->body_left);
	}
	if (strcasecmp(h->name, "transfer-encoding") == 0) {
		if (framing->has_coding)
			return BAD;
		framing->has_coding = true;
		return strcasecmp(h->value, "chunked") == 0 ? 0 : UNSUPPORTED;
	}
	if (strcasecmp(h->name, "connection") == 0)
		rq->close_after |= lists(h->value, "close");
	else if (strcasecmp(h->name, "expect") == 0)
		rq->expects = strcasecmp(h->value, "100-continue") == 0;
	else if (strcasecmp(h->name, "x-ebb-id") == 0 && is_id(h->value))
		memcpy(rq->id, h->value, ID_CHARS);
	else if (strcasecmp(h->name, "x-ebb-deadline") == 0)
		(void)parse_decimal(h->value, &rq->deadline_ms);
	return 0;
}

static int note_fields(struct ebb_request *rq)
{
	struct framing framing = {false, false};

	for (size_t i = 0; i < rq->header_count; i++) {
		int r = note_field(rq, &rq->headers[i], &framing);

		if (r < 0)
			return r;
	}
	if (framing.has_length && framing.has_coding)
		return BAD;
	rq->frame = framing.has_coding ? FRAME_SIZE : rq->body_left ? FRAME_LENGTH : FRAME_DONE;
	rq->body_length = framing.has_coding ? -1 : (int64_t)rq->body_left;
	rq->head_only = strcmp(rq->method, "HEAD") == 0;
	return 0;
}

int head_parse(struct ebb_request *rq)
{
	char *at = rq->head, *line = next_line(&at);
	int r = line ? parse_request_line(rq, line) : BAD;

	while (r == 0) {
		line = next_line(&at);
		if (!line)
			return BAD;
		if (!*line)
			break;
		r = parse_field(rq, line);
	}
	return r == 0 ? note_fields(rq) : r;
}
