// SPDX-License-Identifier: Apache-2.0
#include "range.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define NUMBER_MAX UINT64_C(999999999999999999)

enum found { FOUND_BAD, FOUND_RANGE, FOUND_OUTSIDE };

/* Digits at *at. A number that is too large is as large as it can be: no file has such a place. */
static bool read_number(const char **at, uint64_t *out)
{
	const char *begin = *at;
	uint64_t n = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++)
		n = n > NUMBER_MAX / 10 - 1 ? NUMBER_MAX : n * 10 + (uint64_t)(**at - '0');
	*out = n;
	return *at > begin;
}

/* "first-", "first-last" or "-suffix". */
static enum found read_one(const char **at, uint64_t size, struct range *out)
{
	uint64_t first, last;
	bool has_first = read_number(at, &first), has_last;

	if (**at != '-')
		return FOUND_BAD;
	(*at)++;
	has_last = read_number(at, &last);
	if (!has_first && !has_last)
		return FOUND_BAD;
	if (!has_first) {
		*out = (struct range){last < size ? size - last : 0, size - 1};
		return last > 0 ? FOUND_RANGE : FOUND_OUTSIDE;
	}
	if (has_last && last < first)
		return FOUND_BAD;
	*out = (struct range){first, has_last && last < size ? last : size - 1};
	return first < size ? FOUND_RANGE : FOUND_OUTSIDE;
}

static void skip(const char **at, const char *set)
{
	*at += strspn(*at, set);
}

int range_read(const char *text, uint64_t size, struct range *out)
{
	struct range found[RANGES_MAX], one;
	uint64_t total = 0;
	int count = 0, seen = 0;

	if (size == 0 || strncasecmp(text, "bytes=", 6) != 0)
		return 0;
	text += 6;
	for (skip(&text, " \t,"); *text; skip(&text, " \t,")) {
		enum found what = read_one(&text, size, &one);

		skip(&text, " \t");
		if (what == FOUND_BAD || (*text && *text != ',') || ++seen > RANGES_MAX)
			return 0;
		if (what != FOUND_RANGE)
			continue;
		total += range_bytes(&one);
		found[count++] = one;
	}
	if (seen == 0 || total > size)
		return 0;
	memcpy(out, found, (size_t)count * sizeof(*out));
	return count > 0 ? count : -ERANGE;
}
