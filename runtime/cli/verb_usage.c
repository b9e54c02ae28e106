// SPDX-License-Identifier: Apache-2.0
/* usage, ledger verify: the bill, and the audit of the ledger behind it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/when.h"

static const struct column columns[] = {
	{.title = "SERVICE", .key = "service"},
	{.title = "INVOCATIONS", .key = "invocations", .right = true},
	{.title = "ACTIVE CPU", .key = "active_cpu_us", .show = SHOW_US, .right = true},
	{.title = "PROVISIONED", .key = "provisioned_mb_ms", .show = SHOW_MB_MS, .right = true},
	{.title = "AWAKE", .key = "awake_us", .show = SHOW_US, .right = true},
	{.title = "OF IT WAKES", .key = "wake_us", .show = SHOW_US, .right = true},
	{.title = "FROZEN", .key = "frozen_us", .show = SHOW_US, .right = true},
	{.title = "NET OUT", .key = "net_out_bytes", .show = SHOW_BYTES, .right = true},
	{.title = "NET IN", .key = "net_in_bytes", .show = SHOW_BYTES, .right = true},
	{.title = "CONNECTIONS", .key = "net_connections", .right = true},
};

/* "&from=..." for a time option; "" when it is not given. */
static int time_part(const struct call *call, const char *option, char *buf, size_t size)
{
	const char *text = args_value(&call->args, option);
	char when[28], encoded[96];
	uint64_t us;

	buf[0] = '\0';
	if (!text)
		return CLI_DONE;
	if (when_parse(text, clock_real_us(), &us) < 0) {
		say_error("it is no time", "2026-11-23T10:00:00Z, 2026-11-23, 24h, 30m or 7d",
			  "cannot use --%s %s", option, text);
		return CLI_USAGE;
	}
	if (conn_encode(encoded, sizeof(encoded), clock_rfc3339(us, when)) < 0 ||
	    text_format(buf, size, "&%s=%s", option, encoded) < 0)
		return CLI_USAGE;
	return CLI_DONE;
}

/* "&gb_out=0.09" for each --price gb_out=0.09. The API knows which names there are. */
static int price_part(const struct call *call, char *buf, size_t size)
{
	size_t used = 0;
	const char *text;

	buf[0] = '\0';
	for (size_t n = 0; (text = args_nth(&call->args, "price", n)); n++) {
		const char *amount = strchr(text, '=');
		char name[32], name_encoded[96], encoded[96];

		if (!amount || amount == text || (size_t)(amount - text) >= sizeof(name)) {
			say_error("it is no price",
				  "--price gb_out=0.09; `ebb help usage` has the names",
				  "cannot use --price %s", text);
			return CLI_USAGE;
		}
		memcpy(name, text, (size_t)(amount - text));
		name[amount - text] = '\0';
		if (conn_encode(name_encoded, sizeof(name_encoded), name) < 0 ||
		    conn_encode(encoded, sizeof(encoded), amount + 1) < 0 ||
		    text_format(buf + used, size - used, "&%s=%s", name_encoded, encoded) < 0)
			return CLI_USAGE;
		used += strlen(buf + used);
	}
	return CLI_DONE;
}

static int usage_target(const struct call *call, const char *format, char *buf, size_t size)
{
	const char *service = args_value(&call->args, "service");
	char from[128], to[128], prices[400], prefix[900];
	int r = time_part(call, "from", from, sizeof(from));

	if (r == CLI_DONE)
		r = time_part(call, "to", to, sizeof(to));
	if (r == CLI_DONE)
		r = price_part(call, prices, sizeof(prices));
	if (r != CLI_DONE)
		return r;
	snprintf(prefix, sizeof(prefix), "/v1/usage?format=%s%s%s%s%s", format, from, to, prices,
		 service ? "&service=" : "");
	if (service)
		return api_target(buf, size, prefix, service, "");
	return text_copy(buf, size, prefix) == 0 ? CLI_DONE : CLI_USAGE;
}

static void print_table(const struct call *call, const struct json *document)
{
	const struct json *services = json_get(document, "services");
	const struct json *total = json_get(document, "total");
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	char from[64], to[64], text[ARRAY_LEN(columns)][64];
	const char *cells[ARRAY_LEN(columns)] = {"total"};
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < json_count(services); i++)
		r = table_add_json(table, json_at(services, i), 0);
	for (size_t i = 1; i < ARRAY_LEN(columns); i++)
		cells[i] = table_value(text[i], sizeof(text[i]), json_get(total, columns[i].key),
				       columns[i].show, 0);
	if (r == 0)
		r = table_add(table, cells);
	say_note("from %s to %s",
		 table_value(from, sizeof(from), json_get(document, "from"), SHOW_TEXT, 0),
		 table_value(to, sizeof(to), json_get(document, "to"), SHOW_TEXT, 0));
	if (r == 0)
		table_print(table, stdout, call->color);
	table_free(table);
}

/* Prints lines of CSV and the like. A CRLF at the end of a line stays (RFC 4180); all other
 * controls are escaped. */
static void print_lines(const char *text, size_t size)
{
	while (size > 0) {
		const char *newline = memchr(text, '\n', size);
		size_t n = newline ? (size_t)(newline - text) : size;
		bool crlf = n > 0 && text[n - 1] == '\r';

		text_out_escaped(stdout, text, n - crlf, true);
		fputs(crlf ? "\r\n" : "\n", stdout);
		n += newline != NULL;
		text += n;
		size -= n;
	}
}

int verb_usage(struct call *call)
{
	const char *format = args_value(&call->args, "format");
	bool table = !call->json && (!format || strcmp(format, "table") == 0);
	struct api_answer answer;
	char target[1400];
	int r;

	if (!format || table || strcmp(format, "table") == 0)
		format = "json";
	r = usage_target(call, format, target, sizeof(target));
	if (r == CLI_DONE)
		r = api_call(call, "GET", target, "read the bill", &answer);
	if (r != CLI_DONE)
		return r;
	if (table)
		print_table(call, answer.document);
	else if (answer.document)
		api_print(answer.document);
	else
		print_lines(answer.text, answer.size);
	api_answer_fini(&answer);
	return CLI_DONE;
}

static const struct column live_columns[] = {
	{.title = "SERVICE", .key = "service"},
	{.title = "CPU NOW", .key = "live_cpu_us", .show = SHOW_US, .right = true},
	{.title = "IN LEDGER", .key = "ledger_cpu_us", .show = SHOW_US, .right = true},
	{.title = "HOLDS", .key = "ok"},
};

static void print_verdict(const struct call *call, const struct json *verdict, bool holds)
{
	static const char *const keys[] = {"rows", "bad_row", "head", "text"};
	const struct json *live = json_get(verdict, "live");

	printf("%s\n", holds ? "the ledger holds" : "the ledger does NOT hold");
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct json *value = json_get(verdict, keys[i]);
		char text[600], safe[600];

		table_value(text, sizeof(text), value, SHOW_TEXT, 0);
		if (strcmp(text, "-") != 0 && strcmp(text, "0") != 0)
			printf("%-8s %s\n", keys[i], text_escape(safe, sizeof(safe), text));
	}
	if (json_count(live))
		table_show(live_columns, ARRAY_LEN(live_columns), live, call->color, NULL);
}

int verb_ledger_verify(struct call *call)
{
	struct api_answer answer;
	bool holds;
	int r = api_call(call, "POST", "/v1/ledger/verify", "verify the ledger", &answer);

	if (r != CLI_DONE)
		return r;
	holds = json_is_true(json_get(answer.document, "ok"));
	if (call->json)
		api_print(answer.document);
	else
		print_verdict(call, answer.document, holds);
	api_answer_fini(&answer);
	return holds ? CLI_DONE : CLI_FAILED;
}
