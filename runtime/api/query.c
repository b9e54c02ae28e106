// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/query.h"

#include <string.h>

#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/mem.h"

#define NAMES_MAX 16

/* A name of the table: where it begins, and whether it is a flag. */
struct known {
	const char *at;
	size_t size;
	bool flag;
};

/* The next name of the table; false at its end. */
static bool next_known(const char **takes, struct known *out)
{
	size_t size = strcspn(*takes, " ");

	if (size == 0)
		return false;
	*out = (struct known){*takes, size, (*takes)[size - 1] == '?'};
	out->size -= out->flag;
	*takes += size;
	*takes += **takes == ' ';
	return true;
}

/* The place of a key in the table, or -1. */
static int find(const char *takes, struct http_slice key, struct known *out)
{
	int place = 0;

	for (; takes && next_known(&takes, out); place++)
		if (out->size == key.size && memcmp(out->at, key.at, key.size) == 0)
			return place;
	return -1;
}

static bool is_flag(const char *value)
{
	static const char *const words[] = {"", "0", "1", "true", "false"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(value, words[i]) == 0)
			return true;
	return false;
}

static void refuse_unknown(struct request *rq, const char *takes, struct http_slice key)
{
	char mend[256] = "this path takes none";
	size_t used = strlen("it takes: ");

	if (takes) {
		memcpy(mend, "it takes: ", used);
		for (; *takes && used + 1 < sizeof(mend); takes++)
			if (*takes != '?')
				mend[used++] = *takes;
		mend[used] = '\0';
	}
	problem_reply(rq, 400, mend, "there is no query parameter '%.*s' here",
		      (int)(key.size < 64 ? key.size : 64), key.at);
}

/* One parameter, "key=value" or "key". */
static bool fits(struct request *rq, const char *takes, struct http_slice p, uint32_t *seen)
{
	const char *equals = memchr(p.at, '=', p.size);
	struct http_slice key = {p.at, equals ? (size_t)(equals - p.at) : p.size};
	struct http_slice value = {equals ? equals + 1 : p.at + p.size, 0};
	char text[REQUEST_ARG_SIZE];
	struct known known;
	int place = find(takes, key, &known);

	value.size = p.size - (size_t)(value.at - p.at);
	if (place < 0) {
		refuse_unknown(rq, takes, key);
		return false;
	}
	must(place < NAMES_MAX);
	if (*seen & 1u << place) {
		problem_reply(rq, 400, "give it once", "%.*s: given more than once", (int)key.size,
			      key.at);
		return false;
	}
	*seen |= 1u << place;
	if (request_decode(value, true, text, sizeof(text)) < 0) {
		problem_reply(rq, 400, "percent-encode it, at most 511 bytes",
			      "%.*s: it cannot be decoded", (int)key.size, key.at);
		return false;
	}
	if (!known.flag || is_flag(text))
		return true;
	problem_reply(rq, 400, "1 or 0", "%.*s: \"%.64s\" is neither yes nor no", (int)key.size,
		      key.at, text);
	return false;
}

bool query_fits(struct request *rq, const char *takes)
{
	struct http_slice query = rq->head.query;
	uint32_t seen = 0;

	while (query.size > 0) {
		const char *end = memchr(query.at, '&', query.size);
		size_t size = end ? (size_t)(end - query.at) : query.size;

		if (!fits(rq, takes, (struct http_slice){query.at, size}, &seen))
			return false;
		query.at += end ? size + 1 : size;
		query.size -= end ? size + 1 : size;
	}
	return true;
}
