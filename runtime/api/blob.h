/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences of NUL-terminated strings in a fixed field, as the wire records hold argv and env. */
#ifndef EBB_API_BLOB_H
#define EBB_API_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
	char *memory; /* borrowed: the field */
	size_t size, used;
	uint32_t count;
};

struct json;
struct json_out;

/* 0 or -E2BIG with the field unchanged. */
int blob_add(struct blob *b, const char *text);
/* name=value */
int blob_add_pair(struct blob *b, const char *name, const char *value);
/* Bytes that count strings take in the field, or -EINVAL if it does not hold that many. */
long blob_bytes(const char *field, size_t size, uint32_t count);
/* The value of name in a field of NAME=value strings, or NULL. */
const char *blob_find(const char *field, uint32_t count, const char *name);
/* blob_write writes the strings as a JSON array under `key`. blob_read adds the strings of an
 * array: 0, -EINVAL (not an array of strings) or -E2BIG. */
void blob_write(struct json_out *o, const char *key, const char *field, uint32_t count);
int blob_read(struct blob *b, const struct json *array);

#endif
