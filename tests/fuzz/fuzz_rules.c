// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of a site: a line of JSON, a line with a path, and behind them bytes that are written
 * over the table that the JSON became. A table that rules_valid still takes is matched with the
 * path.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/rules/apply.h"
#include "runtime/rules/build.h"
#include "tests/fuzz/fuzz.h"

static void say(void *self, bool warning, const char *path, const struct json *value,
		const char *what)
{
	claim(path && what);
}

static struct rules_slice header(void *self, struct rules_slice name, size_t n)
{
	return n ? (struct rules_slice){NULL, 0} : (struct rules_slice){"a=b; c=d", 8};
}

static void match(const struct rules_table *table, struct rules_room *room, struct rules_slice path)
{
	const char *mark = memchr(path.at, '?', path.size);
	size_t before = mark ? (size_t)(mark - path.at) : path.size;
	struct rules_request request = {
		.host = {"a.example", 9},
		.path = {path.at, before},
		.query = {path.at + before + (mark != NULL), path.size - before - (mark != NULL)},
		.header = header};
	struct rules_result result;

	rules_apply(table, room, &request, &result);
	claim(result.outcome <= RULES_TOO_LONG);
	claim(result.service == RULES_NONE || result.service < table->service_count);
	if (result.to.at)
		claim(!memchr(result.to.at, '\n', result.to.size));
}

/* Places are two bytes, then the byte that is written there. */
static void damage(uint8_t *table, size_t whole, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 3 <= size; i += 3)
		table[(size_t)(data[i] | data[i + 1] << 8) % whole] = data[i + 2];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rules_listener listener = {.say = say};
	static struct rules_room *room;
	const uint8_t *first = memchr(data, '\n', size), *second;
	struct rules_table *table;
	struct json *site;
	char why[128];

	room = room ? room : rules_room_new();
	second = first ? memchr(first + 1, '\n', size - (size_t)(first + 1 - data)) : NULL;
	if (!second ||
	    json_parse((const char *)data, (size_t)(first - data), 16, &site, why, sizeof(why)) < 0)
		return 0;
	if (rules_build(site, &listener, &table) == 0) {
		struct rules_slice path = {(const char *)first + 1, (size_t)(second - first - 1)};
		size_t whole = table->size;

		claim(rules_valid(table, whole));
		match(table, room, path);
		damage((uint8_t *)table, whole, second + 1, size - (size_t)(second + 1 - data));
		if (rules_valid(table, whole))
			match(table, room, path);
		free(table);
	}
	json_free(site);
	return 0;
}
