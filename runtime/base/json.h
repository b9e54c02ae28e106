/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259) as a tree, parsed by yajl, which only json_read.c and json_loans.h include. For
 * unprivileged programs only: ebbd does not link this, because root parses nothing foreign.
 *
 * Size and depth are bounded, a key may occur once per object, strings are UTF-8 without NUL bytes,
 * and integers are exact int64 (never through a double).
 */
#ifndef EBB_BASE_JSON_H
#define EBB_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json;

/* Parses one document with nothing behind it. 0 and *out (free it with json_free), or -EINVAL,
 * -E2BIG or -ENOMEM with a sentence in err that names the line and the cause. A max_depth of 32 is
 * plenty. */
int json_parse(const char *text, size_t size, unsigned int max_depth, struct json **out, char *err,
	       size_t err_size);
void json_free(struct json *root); /* NULL is fine; call on the root only */

/* All of these accept NULL (an absent value), so that lookups can be chained. Results are borrowed
 * from the tree. */
enum json_kind json_kind(const struct json *v);  /* NULL -> JSON_NULL */
const char *json_kind_name(enum json_kind kind); /* "string", ... for messages */
const struct json *json_get(const struct json *object, const char *key); /* NULL if absent */
size_t json_count(const struct json *array_or_object);
const struct json *json_at(const struct json *array_or_object, size_t index);
const char *json_key_at(const struct json *object, size_t index);
const char *json_string(const struct json *v);    /* NULL unless a string */
int json_int(const struct json *v, int64_t *out); /* 0 or -EINVAL */
bool json_is_true(const struct json *v);

/*
 * Writing: a growing buffer that knows where commas go. Out of memory sets failed, and text is then
 * NULL: look at failed once, at the end. json_out_fini frees the text.
 */
struct json_out {
	char *text; /* NUL-terminated, length bytes; owned */
	size_t length, capacity;
	unsigned int depth;
	bool need_comma, failed;
};

/* Begins with an empty text. json_out_fini frees the text and may follow a failure. */
void json_out_init(struct json_out *o);
void json_out_fini(struct json_out *o);
/* key: NULL inside arrays and at the top. */
void json_out_object(struct json_out *o, const char *key);
void json_out_array(struct json_out *o, const char *key);
void json_out_end_object(struct json_out *o);
void json_out_end_array(struct json_out *o);
void json_out_string(struct json_out *o, const char *key, const char *value); /* NULL -> null */
void json_out_u64(struct json_out *o, const char *key, uint64_t value);
void json_out_i64(struct json_out *o, const char *key, int64_t value);
void json_out_bool(struct json_out *o, const char *key, bool value);
/* Any bytes, as a string in base64. */
void json_out_base64(struct json_out *o, const char *key, const void *bytes, size_t size);
/* Writes a parsed value, with all that it holds. */
void json_out_value(struct json_out *o, const char *key, const struct json *value);

#endif
