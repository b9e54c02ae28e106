// SPDX-License-Identifier: Apache-2.0
#include "runtime/cron/zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/cron/zone_rule.h"

#define HEAD_BYTES 44
#define TYPE_BYTES 6
#define OFFSET_MAX 93600 /* 26 hours: RFC 8536 section 3.2 */

struct zone {
	uint32_t count;
	int32_t first; /* the offset before the first change */
	bool has_rule;
	struct zone_rule rule;
	struct change {
		int64_t at;
		int32_t offset;
	} changes[];
};

/* The counts of a data block. */
struct counts {
	uint32_t utc, standard, leaps, times, types, letters;
};

struct bytes {
	const uint8_t *at;
	size_t size;
};

static uint64_t big_endian(const uint8_t *at, size_t size)
{
	uint64_t n = 0;

	while (size-- > 0)
		n = n << 8 | *at++;
	return n;
}

static bool cut(struct bytes *from, size_t size, struct bytes *out)
{
	if (from->size < size)
		return false;
	*out = (struct bytes){from->at, size};
	from->at += size;
	from->size -= size;
	return true;
}

static bool read_head(struct bytes *from, struct counts *c, uint8_t *version)
{
	struct bytes head;

	if (!cut(from, HEAD_BYTES, &head) || memcmp(head.at, "TZif", 4) != 0)
		return false;
	*version = head.at[4];
	*c = (struct counts){.utc = (uint32_t)big_endian(head.at + 20, 4),
			     .standard = (uint32_t)big_endian(head.at + 24, 4),
			     .leaps = (uint32_t)big_endian(head.at + 28, 4),
			     .times = (uint32_t)big_endian(head.at + 32, 4),
			     .types = (uint32_t)big_endian(head.at + 36, 4),
			     .letters = (uint32_t)big_endian(head.at + 40, 4)};
	return c->times <= ZONE_BYTES_MAX && c->types > 0 && c->types <= 256 && c->utc <= 256 &&
	       c->standard <= 256 && c->leaps <= ZONE_BYTES_MAX && c->letters <= ZONE_BYTES_MAX;
}

/* The block of numbers of 32 bits is for readers of old. */
static bool skip_block(struct bytes *from, const struct counts *c)
{
	struct bytes skipped;

	return cut(from,
		   c->times * 5 + c->types * TYPE_BYTES + c->letters + c->leaps * 8 + c->standard +
			   c->utc,
		   &skipped);
}

static bool offset_of(struct bytes types, uint32_t type, int32_t *out)
{
	if (type >= types.size / TYPE_BYTES)
		return false;
	*out = (int32_t)big_endian(types.at + type * TYPE_BYTES, 4);
	return *out >= -OFFSET_MAX && *out <= OFFSET_MAX;
}

static bool read_changes(struct zone *z, struct bytes times, struct bytes kinds, struct bytes types)
{
	if (!offset_of(types, 0, &z->first))
		return false;
	for (uint32_t n = 0; n < z->count; n++) {
		struct change *c = &z->changes[n];

		c->at = (int64_t)big_endian(times.at + (size_t)n * 8, 8);
		if (!offset_of(types, kinds.at[n], &c->offset) ||
		    (n > 0 && c->at <= z->changes[n - 1].at))
			return false;
	}
	return true;
}

/* "\nTZ\n"; an empty one says nothing about the time behind the last change. */
static bool read_rule(struct zone *z, struct bytes rest)
{
	if (rest.size < 2 || rest.at[0] != '\n' || rest.at[rest.size - 1] != '\n')
		return false;
	z->has_rule = rest.size > 2;
	return !z->has_rule ||
	       zone_rule_parse((const char *)rest.at + 1, rest.size - 2, &z->rule) == 0;
}

static bool read_block(struct zone *z, struct bytes *rest, const struct counts *c)
{
	struct bytes times, kinds, types, skipped;

	return cut(rest, (size_t)c->times * 8, &times) && cut(rest, c->times, &kinds) &&
	       cut(rest, (size_t)c->types * TYPE_BYTES, &types) &&
	       cut(rest, c->letters + (size_t)c->leaps * 12 + c->standard + c->utc, &skipped) &&
	       read_changes(z, times, kinds, types) && read_rule(z, *rest);
}

int zone_parse(const void *bytes, size_t size, struct zone **out)
{
	struct bytes rest = {bytes, size};
	struct counts c;
	uint8_t version;
	struct zone *z;

	if (size > ZONE_BYTES_MAX || !read_head(&rest, &c, &version) || version < '2' ||
	    !skip_block(&rest, &c) || !read_head(&rest, &c, &version))
		return -EINVAL;
	if (c.times > rest.size / 9)
		return -EINVAL;
	z = calloc(1, sizeof(*z) + c.times * sizeof(z->changes[0]));
	if (!z)
		return -ENOMEM;
	z->count = c.times;
	if (!read_block(z, &rest, &c)) {
		free(z);
		return -EINVAL;
	}
	*out = z;
	return 0;
}

void zone_free(struct zone *z)
{
	free(z);
}

/* How many changes are not behind `at`. */
static uint32_t count_until(const struct zone *z, int64_t at)
{
	uint32_t low = 0, high = z->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (z->changes[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	must(low <= z->count);
	return low;
}

int32_t zone_offset(const struct zone *z, int64_t at)
{
	uint32_t n = z ? count_until(z, at) : 0;

	if (!z)
		return 0;
	if (n == z->count && z->has_rule)
		return zone_rule_offset(&z->rule, at);
	return n == 0 ? z->first : z->changes[n - 1].offset;
}

int64_t zone_next_change(const struct zone *z, int64_t at)
{
	uint32_t n = z ? count_until(z, at) : 0;

	if (!z)
		return INT64_MAX;
	if (n < z->count)
		return z->changes[n].at;
	return z->has_rule ? zone_rule_next_change(&z->rule, at) : INT64_MAX;
}

bool zone_name_valid(const char *name)
{
	size_t size = strlen(name);

	if (size == 0 || size >= ZONE_NAME_SIZE || !isalpha((unsigned char)*name) ||
	    strstr(name, "//") || name[size - 1] == '/')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("_+-/", *name))
			return false;
	return true;
}
