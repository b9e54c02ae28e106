// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/queue_words.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/text.h"

#define BASE "/api/v3/topic/"

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

bool queue_name_valid(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!is_name_char(name[i]))
			return false;
	return n > 0 && n < QUEUE_NAME_SIZE;
}

/* The next segment of a path, without its slash. */
static struct http_slice segment(struct http_slice *path)
{
	struct http_slice s = {path->at, 0};

	while (s.size < path->size && s.at[s.size] != '/')
		s.size++;
	path->at += s.size;
	path->size -= s.size;
	if (path->size > 0) {
		path->at++;
		path->size--;
	}
	return s;
}

static int take_name(struct http_slice s, char out[QUEUE_NAME_SIZE])
{
	if (s.size >= QUEUE_NAME_SIZE)
		return -EINVAL;
	memcpy(out, s.at, s.size);
	out[s.size] = '\0';
	return strlen(out) == s.size && queue_name_valid(out) ? 0 : -EINVAL;
}

/* Digits up to a stop character, or to the end. */
static int take_number(struct http_slice *s, char stop, uint64_t *out)
{
	char text[24];
	size_t n = 0;

	while (n < s->size && s->at[n] != stop)
		n++;
	if (n == 0 || n >= sizeof(text) || (stop && n == s->size))
		return -EINVAL;
	memcpy(text, s->at, n);
	text[n] = '\0';
	s->at += n + (stop ? 1 : 0);
	s->size -= n + (stop ? 1 : 0);
	return text_parse_u64(text, 0, INT64_MAX, out) < 0 ? -EINVAL : 0;
}

static int take_receipt(struct http_slice s, struct queue_target *out)
{
	return take_number(&s, '-', &out->receipt_consumer) < 0 ||
			       take_number(&s, '-', &out->message) < 0 ||
			       take_number(&s, '\0', &out->receipt) < 0
		       ? -EINVAL
		       : 0;
}

static int take_of_consumer(struct http_slice path, struct queue_target *out, const char **why)
{
	struct http_slice what;

	if (take_name(segment(&path), out->consumer) < 0) {
		*why = "the name of a consumer is 1 to 255 of letters, digits, _ and -";
		return -EINVAL;
	}
	out->action = QUEUE_RECEIVE;
	if (path.size == 0)
		return 0;
	what = segment(&path);
	*why = "this is no message id of this host";
	if (http_slice_is(what, "id")) {
		out->action = QUEUE_BY_ID;
		return take_number(&path, '\0', &out->message) < 0 || out->message == 0 ? -EINVAL
											: 0;
	}
	*why = "this is no receipt of this host";
	out->action = QUEUE_LEASE;
	return http_slice_is(what, "lease") ? take_receipt(path, out) : -ENOENT;
}

int queue_target_parse(struct http_slice path, struct queue_target *out, const char **why)
{
	struct http_slice what;

	if (path.size < sizeof(BASE) - 1 || memcmp(path.at, BASE, sizeof(BASE) - 1) != 0)
		return -ENOENT;
	path.at += sizeof(BASE) - 1;
	path.size -= sizeof(BASE) - 1;
	*out = (struct queue_target){.action = QUEUE_SEND};
	if (take_name(segment(&path), out->topic) < 0) {
		*why = "the name of a topic is 1 to 255 of letters, digits, _ and -";
		return -EINVAL;
	}
	if (path.size == 0)
		return 0;
	what = segment(&path);
	if (http_slice_is(what, "consumer"))
		return take_of_consumer(path, out, why);
	out->action = QUEUE_BATCH;
	return http_slice_is(what, "batch") && path.size == 0 ? 0 : -ENOENT;
}

int queue_number(struct http_slice value, uint64_t min, uint64_t max, uint64_t *out)
{
	char text[24];

	if (!value.at)
		return 0;
	if (value.size == 0 || value.size >= sizeof(text))
		return -EINVAL;
	memcpy(text, value.at, value.size);
	text[value.size] = '\0';
	return text_parse_u64(text, min, max, out) < 0 ? -EINVAL : 0;
}

/* ---- several parts ---- */

static const char *find(const char *at, const char *end, const char *what, size_t size)
{
	return at <= end ? memmem(at, (size_t)(end - at), what, size) : NULL;
}

int queue_parts_init(struct queue_parts *p, struct http_slice type, const char *body, size_t size)
{
	static const char kind[] = "multipart/mixed", word[] = "boundary=";
	const char *end = type.at + type.size, *at;
	size_t n = 0;

	if (type.size < sizeof(kind) - 1 ||
	    !http_slice_is_nocase((struct http_slice){type.at, sizeof(kind) - 1}, kind))
		return -EINVAL;
	at = find(type.at, end, word, sizeof(word) - 1);
	if (!at)
		return -EINVAL;
	at += sizeof(word) - 1;
	if (at < end && *at == '"')
		at++;
	while (at + n < end && at[n] != '"' && at[n] != ';' && at[n] != ' ')
		n++;
	if (n == 0 || n > 70)
		return -EINVAL;
	memcpy(p->boundary, "\r\n--", 4);
	memcpy(p->boundary + 4, at, n);
	p->boundary_size = n + 4;
	p->at = body;
	p->end = body + size;
	/* The first boundary may be at the very beginning. */
	if (size >= n + 2 && memcmp(body, p->boundary + 2, n + 2) == 0) {
		p->at += n + 2;
		return 0;
	}
	at = find(p->at, p->end, p->boundary, p->boundary_size);
	if (!at)
		return -EINVAL;
	p->at = at + p->boundary_size;
	return 0;
}

int queue_parts_next(struct queue_parts *p, struct http_slice *head, struct http_slice *body)
{
	const char *at = p->at, *split, *stop;

	if (p->end - at >= 2 && at[0] == '-' && at[1] == '-')
		return 0;
	if (p->end - at < 2 || at[0] != '\r' || at[1] != '\n')
		return -EBADMSG;
	at += 2;
	if (p->end - at >= 2 && at[0] == '\r' && at[1] == '\n')
		split = at - 2; /* a part without a head */
	else
		split = find(at, p->end, "\r\n\r\n", 4);
	stop = split ? find(split + 2, p->end, p->boundary, p->boundary_size) : NULL;
	if (!stop || (stop < split + 4 && stop != split + 2))
		return -EBADMSG;
	*head = (struct http_slice){at, (size_t)(split + 2 - at)};
	*body = (struct http_slice){split + 4, stop > split + 4 ? (size_t)(stop - split - 4) : 0};
	p->at = stop + p->boundary_size;
	return 1;
}

struct http_slice queue_part_field(struct http_slice head, const char *name)
{
	size_t n = strlen(name);

	while (head.size > 0) {
		const char *end = find(head.at, head.at + head.size, "\r\n", 2);
		size_t line = end ? (size_t)(end - head.at) : head.size;

		if (line > n && head.at[n] == ':' &&
		    http_slice_is_nocase((struct http_slice){head.at, n}, name)) {
			struct http_slice value = {head.at + n + 1, line - n - 1};

			while (value.size && (*value.at == ' ' || *value.at == '\t')) {
				value.at++;
				value.size--;
			}
			while (value.size && value.at[value.size - 1] == ' ')
				value.size--;
			return value;
		}
		head.at += end ? line + 2 : line;
		head.size -= end ? line + 2 : line;
	}
	return (struct http_slice){NULL, 0};
}
