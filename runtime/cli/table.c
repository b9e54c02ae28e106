// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/text_out.h"

#define CELL_SIZE 512

struct table {
	const struct column *columns;
	size_t column_count;
	char **cells; /* row after row; escaped */
	size_t row_count, row_capacity;
};

struct table *table_new(const struct column *columns, size_t column_count)
{
	struct table *table = calloc(1, sizeof(*table));

	must(column_count > 0 && column_count <= TABLE_COLUMNS_MAX);
	if (!table)
		return NULL;
	table->columns = columns;
	table->column_count = column_count;
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->row_count * table->column_count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

static int table_grow(struct table *table)
{
	size_t capacity = table->row_capacity ? table->row_capacity * 2 : 32;
	char **grown;

	if (table->row_count < table->row_capacity)
		return 0;
	grown = reallocarray(table->cells, capacity * table->column_count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	table->cells = grown;
	table->row_capacity = capacity;
	return 0;
}

int table_add(struct table *table, const char *const *cells)
{
	char escaped[CELL_SIZE];
	char **row;

	if (table_grow(table) < 0)
		return -ENOMEM;
	must(table->row_count < table->row_capacity);
	row = table->cells + table->row_count * table->column_count;
	for (size_t i = 0; i < table->column_count; i++) {
		row[i] = strdup(text_escape(escaped, sizeof(escaped), cells[i] ? cells[i] : "-"));
		if (!row[i]) {
			while (i-- > 0)
				free(row[i]);
			return -ENOMEM;
		}
	}
	table->row_count++;
	return 0;
}

int table_number(const struct json *value, uint64_t *out)
{
	const char *digits = json_string(value);
	int64_t number;

	if (digits)
		return text_parse_u64(digits, 0, UINT64_MAX, out);
	if (json_int(value, &number) < 0 || number < 0)
		return -EINVAL;
	*out = (uint64_t)number;
	return 0;
}

/* The text of a cell without a value. */
static const char *nothing(char *buf, size_t size)
{
	(void)text_copy(buf, size, "-");
	return buf;
}

/* GB-seconds with six places; further digits are cut. The bill counts 1,024 MB as one GB. */
static const char *gb_seconds(char *buf, size_t size, uint64_t mb_ms)
{
	uint64_t unit = UINT64_C(1024) * 1000;

	snprintf(buf, size, "%" PRIu64 ".%06" PRIu64 " GB-s", mb_ms / unit,
		 mb_ms % unit * 1000000 / unit);
	return buf;
}

static const char *age(char *buf, size_t size, const struct json *value, uint64_t now_us)
{
	const char *text = json_string(value);
	uint64_t then_us;

	if (!text || clock_parse_rfc3339(text, &then_us) < 0)
		if (table_number(value, &then_us) < 0)
			return nothing(buf, size);
	return text_age(buf, size, now_us > then_us ? now_us - then_us : 0);
}

static const char *join(char *buf, size_t size, const struct json *array)
{
	size_t used = 0;
	char one[CELL_SIZE];

	buf[0] = '\0';
	for (size_t i = 0; i < json_count(array); i++) {
		table_value(one, sizeof(one), json_at(array, i), SHOW_TEXT, 0);
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? "," : "", one);
		if (used >= size)
			break;
	}
	return json_count(array) ? buf : nothing(buf, size);
}

static const char *plain(char *buf, size_t size, const struct json *value)
{
	const char *text = json_string(value);
	int64_t number;

	if (json_kind(value) == JSON_ARRAY)
		return join(buf, size, value);
	if (json_kind(value) == JSON_BOOL)
		text = json_is_true(value) ? "yes" : "no";
	if (text && *text)
		snprintf(buf, size, "%s", text);
	else if (json_int(value, &number) == 0)
		snprintf(buf, size, "%" PRId64, number);
	else
		snprintf(buf, size, "-");
	return buf;
}

static const char *digest(char *buf, size_t size, const struct json *value)
{
	const char *text = json_string(value);

	if (!text)
		return nothing(buf, size);
	if (strncmp(text, "sha256:", 7) == 0)
		text += 7;
	snprintf(buf, size, "%.12s", text);
	return buf;
}

const char *table_value(char *buf, size_t size, const struct json *value, enum show show,
			uint64_t now_us)
{
	uint64_t number;

	if (show == SHOW_AGE)
		return age(buf, size, value, now_us);
	if (show == SHOW_DIGEST)
		return digest(buf, size, value);
	if (show == SHOW_TEXT || table_number(value, &number) < 0)
		return plain(buf, size, value);
	if (show == SHOW_BYTES)
		return text_bytes(buf, size, number);
	if (show == SHOW_MB_MS)
		return gb_seconds(buf, size, number);
	return text_us(buf, size, number);
}

static const struct json *member(const struct json *object, const char *key)
{
	const char *dot = strchr(key, '.');
	char first[64];

	if (!dot)
		return json_get(object, key);
	snprintf(first, sizeof(first), "%.*s", (int)(dot - key), key);
	return member(json_get(object, first), dot + 1);
}

int table_add_json(struct table *table, const struct json *object, uint64_t now_us)
{
	char text[TABLE_COLUMNS_MAX][CELL_SIZE];
	const char *cells[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < table->column_count; i++) {
		const struct column *c = &table->columns[i];

		cells[i] = table_value(text[i], sizeof(text[i]), member(object, c->key), c->show,
				       now_us);
	}
	return table_add(table, cells);
}

/* Characters, not bytes: UTF-8 continuation bytes take no column. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void put_cell(FILE *to, const char *text, size_t width, bool right, bool last)
{
	size_t own = text_width(text);

	for (size_t i = own; right && i < width; i++)
		fputc(' ', to);
	fputs(text, to);
	for (size_t i = own; !right && !last && i < width; i++)
		fputc(' ', to);
	if (!last)
		fputs("  ", to);
}

void table_print(const struct table *table, FILE *to, bool color)
{
	size_t widths[TABLE_COLUMNS_MAX];
	size_t n = table->column_count;

	for (size_t c = 0; c < n; c++) {
		widths[c] = text_width(table->columns[c].title);
		for (size_t r = 0; r < table->row_count; r++) {
			size_t own = text_width(table->cells[r * n + c]);

			widths[c] = own > widths[c] ? own : widths[c];
		}
	}
	fputs(color ? "\033[1m" : "", to);
	for (size_t c = 0; c < n; c++)
		put_cell(to, table->columns[c].title, widths[c], table->columns[c].right,
			 c + 1 == n);
	fputs(color ? "\033[0m\n" : "\n", to);
	for (size_t r = 0; r < table->row_count; r++) {
		for (size_t c = 0; c < n; c++)
			put_cell(to, table->cells[r * n + c], widths[c], table->columns[c].right,
				 c + 1 == n);
		fputc('\n', to);
	}
}

void table_show(const struct column *columns, size_t column_count, const struct json *array,
		bool color, const char *empty)
{
	struct table *table = table_new(columns, column_count);
	uint64_t now_us = clock_real_us();
	int r = table ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < json_count(array); i++)
		r = table_add_json(table, json_at(array, i), now_us);
	if (r == 0)
		table_print(table, stdout, color);
	if (r == 0 && json_count(array) == 0 && empty)
		say_note("%s", empty);
	table_free(table);
}

void table_names(const struct json *array, const char *key)
{
	for (size_t i = 0; i < json_count(array); i++) {
		const char *name = json_string(json_get(json_at(array, i), key));

		if (!name)
			continue;
		text_out_escaped(stdout, name, strlen(name), false);
		putchar('\n');
	}
}

void table_line(const struct json *object, const char *first, const char *second)
{
	const char *const keys[] = {first, second};
	char text[CELL_SIZE];

	for (size_t i = 0; i < 2; i++) {
		table_value(text, sizeof(text), member(object, keys[i]), SHOW_TEXT, 0);
		text_out_escaped(stdout, text, strlen(text), false);
		putchar(i ? '\n' : ' ');
	}
}
