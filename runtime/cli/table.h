/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: a row of titles, and aligned columns with two spaces between them. A table is the same on
 * a terminal and in a pipe; only the colour of the titles differs. Cells are escaped.
 */
#ifndef EBB_CLI_TABLE_H
#define EBB_CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "runtime/base/json.h"

#define TABLE_COLUMNS_MAX 16

/* How a JSON value is shown in a cell. */
enum show {
	SHOW_TEXT,   /* string, number, bool as it is; a list joined by commas */
	SHOW_BYTES,  /* "12.4 MB" */
	SHOW_US,     /* a duration in us */
	SHOW_MB_MS,  /* MB x ms as GB-seconds, exact */
	SHOW_AGE,    /* an RFC 3339 time: how long ago */
	SHOW_DIGEST, /* its first 12 digits */
};

struct column {
	const char *title;
	const char *key; /* "a.b": the member b of the member a */
	enum show show;
	bool right;
};

struct table;

/* columns is borrowed and outlives the table. NULL on no memory. */
struct table *table_new(const struct column *columns, size_t column_count);
void table_free(struct table *table);
/* One row: column_count cells, copied. 0 or -ENOMEM. */
int table_add(struct table *table, const char *const *cells);
/* One row out of a JSON object. now_us is the wall clock for SHOW_AGE. 0 or -ENOMEM. */
int table_add_json(struct table *table, const struct json *object, uint64_t now_us);
void table_print(const struct table *table, FILE *to, bool color);

/* Prints a JSON array as a table on standard output, or `empty` on stderr if the array has no
 * element. */
void table_show(const struct column *columns, size_t column_count, const struct json *array,
		bool color, const char *empty);

/* Prints one member of each object of an array, one per line, on standard output. */
void table_names(const struct json *array, const char *key);

/* Prints two members of an object on one line of standard output. */
void table_line(const struct json *object, const char *first, const char *second);

/* One value as text, "-" for an absent one. Returns buf. */
const char *table_value(char *buf, size_t size, const struct json *value, enum show show,
			uint64_t now_us);
/* A number of the API: an integer, or its digits in a string. 0 or -EINVAL. */
int table_number(const struct json *value, uint64_t *out);

#endif
