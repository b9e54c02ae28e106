// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the rules of a site on requests, without a gateway: reads the site as JSON from a file, and
 * paths with their queries from standard input, one a line. Prints for each line what happens as
 * JSON. -H NAME:VALUE adds a header to all requests; -h HOST is their host.
 *
 * -n N: matches each line N times instead, and prints nanoseconds for one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "runtime/rules/apply.h"
#include "runtime/rules/build.h"

#define HEADERS_MAX 16

struct given {
	const char *host, *headers[HEADERS_MAX];
	size_t header_count;
};

static void complain(void *self, bool warning, const char *path, const struct json *value,
		     const char *what)
{
	struct json_out out;

	(void)self;
	json_out_init(&out);
	json_out_value(&out, NULL, value);
	fprintf(stderr, "%s%s: %s %s\n", warning ? "warning: " : "", path, out.text ? out.text : "",
		what);
	json_out_fini(&out);
}

static struct rules_slice header(void *self, struct rules_slice name, size_t n)
{
	const struct given *given = self;

	for (size_t i = 0; i < given->header_count; i++) {
		const char *text = given->headers[i], *colon = strchr(text, ':');

		if (colon && (size_t)(colon - text) == name.size &&
		    strncasecmp(text, name.at, name.size) == 0 && n-- == 0)
			return (struct rules_slice){colon + 1, strlen(colon + 1)};
	}
	return (struct rules_slice){NULL, 0};
}

static void member(struct json_out *out, const char *key, struct rules_slice value)
{
	char text[70000];

	snprintf(text, sizeof(text), "%.*s", (int)value.size, value.at ? value.at : "");
	json_out_string(out, key, text);
}

static void print(const struct rules_table *table, const struct rules_result *r)
{
	static const char *const names[] = {"pass", "redirect", "service", "nowhere", "too long"};
	struct json_out out;

	json_out_init(&out);
	json_out_object(&out, NULL);
	json_out_string(&out, "outcome", names[r->outcome]);
	json_out_u64(&out, "status", r->status);
	json_out_string(&out, "service",
			r->service == RULES_NONE ? NULL : table->services[r->service]);
	member(&out, "to", r->to);
	member(&out, "fields", r->fields);
	json_out_bool(&out, "seen", r->seen);
	json_out_end_object(&out);
	puts(out.text);
	json_out_fini(&out);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void run(const struct rules_table *table, struct rules_room *room, struct given *given,
		char *line, unsigned long times)
{
	struct rules_result result;
	size_t size = strcspn(line, "\r\n"), path = strcspn(line, "?\r\n");
	struct rules_request request = {
		.host = {given->host, strlen(given->host)},
		.path = {line, path},
		.query = {line + path + (path < size), size - path - (path < size)},
		.self = given,
		.header = header};
	uint64_t began = now_ns();

	for (unsigned long i = 0; i < (times ? times : 1); i++)
		rules_apply(table, room, &request, &result);
	if (times)
		printf("%.1f\n", (double)(now_ns() - began) / (double)times);
	else
		print(table, &result);
}

static struct rules_table *read_table(const char *file)
{
	static const struct rules_listener listener = {.say = complain};
	static char text[8 << 20], why[256];
	struct rules_table *table = NULL;
	struct json *site;
	FILE *from = fopen(file, "r");
	size_t size = from ? fread(text, 1, sizeof(text), from) : 0;

	if (from)
		fclose(from);
	if (json_parse(text, size, 32, &site, why, sizeof(why)) < 0) {
		fprintf(stderr, "%s: %s\n", file, why);
		return NULL;
	}
	if (rules_build(site, &listener, &table) < 0)
		table = NULL;
	json_free(site);
	return table;
}

int main(int argc, char **argv)
{
	struct given given = {.host = "example.com"};
	struct rules_room *room = rules_room_new();
	struct rules_table *table = argc > 1 ? read_table(argv[1]) : NULL;
	unsigned long times = 0;
	static char line[70000];

	for (int i = 2; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "-H") == 0 && given.header_count < HEADERS_MAX)
			given.headers[given.header_count++] = argv[i + 1];
		else if (strcmp(argv[i], "-h") == 0)
			given.host = argv[i + 1];
		else if (strcmp(argv[i], "-n") == 0)
			times = strtoul(argv[i + 1], NULL, 10);
	}
	if (!room || !table)
		return 1;
	while (fgets(line, sizeof(line), stdin))
		run(table, room, &given, line, times);
	free(table);
	rules_room_free(room);
	return 0;
}
