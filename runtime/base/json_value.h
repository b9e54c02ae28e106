/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a struct json, for the json_*.c files only. */
#ifndef EBB_BASE_JSON_VALUE_H
#define EBB_BASE_JSON_VALUE_H

#include "runtime/base/json.h"

struct json {
	enum json_kind kind;
	bool boolean;
	int64_t integer;
	char *text;          /* JSON_STRING; JSON_REAL as it was written, so that it stays exact */
	struct json *parent; /* while parsing */
	struct json **items; /* arrays and objects */
	char **keys;         /* objects: one per item */
	size_t count, capacity;
};

#endif
