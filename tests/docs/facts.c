// SPDX-License-Identifier: Apache-2.0
/* Prints the tables of ebb's programs that no program prints itself, as one JSON document.
 * generate.py makes documents of that, of `ebb help --json` and of docs/openapi.json. */
#include <errno.h>
#include <stdio.h>

#include "runtime/api/meanings.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/errors.h"
#include "runtime/wire/records.h"
#include "runtime/supervisor/host/config.h"

static void write_config(struct json_out *o)
{
	struct config_row row;

	json_out_array(o, "ebbd");
	for (size_t i = 0; config_row(i, &row); i++) {
		json_out_object(o, NULL);
		json_out_string(o, "name", row.name);
		json_out_string(o, "usual", row.usual);
		json_out_string(o, "allowed", row.allowed);
		if (row.below_root)
			json_out_string(o, "below_root", row.below_root);
		json_out_string(o, "help", row.help);
		json_out_bool(o, "live", row.live);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

static void write_events(struct json_out *o)
{
	static const struct {
		const char *name, *words;
	} events[] = {
#define X(kind, name, words) {#name, words},
		WIRE_EVENT_KINDS(X)
#undef X
	};

	json_out_array(o, "events");
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		json_out_object(o, NULL);
		json_out_string(o, "name", events[i].name);
		json_out_string(o, "words", events[i].words);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

static void write_meanings(struct json_out *o)
{
	static const struct {
		int status;
		const char *mend, *when;
	} meanings[] = {
#define X(err, status, mend, when) {status, mend, when},
		API_MEANINGS(X)
#undef X
	};

	json_out_array(o, "meanings");
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
		json_out_object(o, NULL);
		json_out_u64(o, "status", (uint64_t)meanings[i].status);
		json_out_string(o, "when", meanings[i].when);
		json_out_string(o, "mend", meanings[i].mend);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

static void write_edge(struct json_out *o)
{
	static const struct {
		const char *name, *code;
		int status, retry_after_s;
		bool closes;
	} edge[] = {
#define X(name, status, code, service, counter, end, retry) \
	{#name, code, status, retry, (end) == EDGE_CLOSES},
		EDGE_ERRORS(X)
#undef X
	};

	json_out_array(o, "edge");
	for (size_t i = 0; i < ARRAY_LEN(edge); i++) {
		json_out_object(o, NULL);
		json_out_string(o, "name", edge[i].name);
		json_out_u64(o, "status", (uint64_t)edge[i].status);
		json_out_string(o, "code", edge[i].code);
		json_out_bool(o, "closes", edge[i].closes);
		json_out_u64(o, "retry_after_s", (uint64_t)edge[i].retry_after_s);
		json_out_end_object(o);
	}
	json_out_end_array(o);
}

int main(void)
{
	struct json_out o;

	json_out_init(&o);
	json_out_object(&o, NULL);
	write_config(&o);
	write_events(&o);
	write_meanings(&o);
	write_edge(&o);
	json_out_end_object(&o);
	if (o.failed || printf("%s\n", o.text) < 0)
		return 1;
	json_out_fini(&o);
	return 0;
}
