// SPDX-License-Identifier: Apache-2.0
/* Reading what a request says: query parameters, Accept. */
#include "runtime/api/request.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at && (c >= 'A' || c <= '9') ? (int)(at - digits) : -1;
}

int request_decode(struct http_slice s, bool plus_is_space, char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < s.size; i++) {
		int c = (unsigned char)s.at[i];

		if (c == '%') {
			int high = i + 2 < s.size ? hex_digit(s.at[i + 1]) : -1;

			c = high < 0 ? -1 : hex_digit(s.at[i + 2]);
			c = c < 0 ? 0 : high * 16 + c;
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (c == 0 || used + 1 >= size)
			return -EINVAL;
		buf[used++] = (char)c;
	}
	if (size == 0)
		return -EINVAL;
	buf[used] = '\0';
	return 0;
}

/* Cuts the next parameter off query. */
static struct http_slice next_parameter(struct http_slice *query)
{
	const char *end = memchr(query->at, '&', query->size);
	size_t size = end ? (size_t)(end - query->at) : query->size;
	struct http_slice parameter = {query->at, size};

	query->at += end ? size + 1 : size;
	query->size -= end ? size + 1 : size;
	return parameter;
}

int request_query(const struct request *rq, const char *name, char *buf, size_t size)
{
	struct http_slice query = rq->head.query;

	while (query.size > 0) {
		struct http_slice p = next_parameter(&query);
		const char *equals = memchr(p.at, '=', p.size);
		struct http_slice key = {p.at, equals ? (size_t)(equals - p.at) : p.size};
		struct http_slice value = {equals ? equals + 1 : p.at + p.size, 0};

		if (!http_slice_is(key, name))
			continue;
		value.size = p.size - (size_t)(value.at - p.at);
		return request_decode(value, true, buf, size) < 0 ? -EINVAL : 1;
	}
	return 0;
}

bool request_flag(const struct request *rq, const char *name)
{
	char value[8];

	if (request_query(rq, name, value, sizeof(value)) != 1)
		return false;
	return !*value || strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
}

bool request_accepts(const struct request *rq, const char *type)
{
	const struct http_header *accept = http_find(&rq->head, "accept");
	size_t size = strlen(type);

	for (size_t i = 0; accept && i + size <= accept->value.size; i++)
		if (strncasecmp(accept->value.at + i, type, size) == 0)
			return true;
	return false;
}
