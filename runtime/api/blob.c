// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/blob.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/json.h"

int blob_add(struct blob *b, const char *text)
{
	size_t n = strlen(text) + 1;

	if (b->size - b->used < n || b->count == UINT16_MAX)
		return -E2BIG;
	memcpy(b->memory + b->used, text, n);
	b->used += n;
	b->count++;
	return 0;
}

int blob_add_pair(struct blob *b, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value) + 1;

	if (b->size - b->used < n + 1 + v || b->count == UINT16_MAX)
		return -E2BIG;
	memcpy(b->memory + b->used, name, n);
	b->memory[b->used + n] = '=';
	memcpy(b->memory + b->used + n + 1, value, v);
	b->used += n + 1 + v;
	b->count++;
	return 0;
}

long blob_bytes(const char *field, size_t size, uint32_t count)
{
	size_t used = 0;

	for (uint32_t i = 0; i < count; i++) {
		const char *end = memchr(field + used, '\0', size - used);

		if (!end)
			return -EINVAL;
		used = (size_t)(end - field) + 1;
	}
	return (long)used;
}

const char *blob_find(const char *field, uint32_t count, const char *name)
{
	size_t n = strlen(name);

	for (uint32_t i = 0; i < count; i++, field += strlen(field) + 1)
		if (strncmp(field, name, n) == 0 && field[n] == '=')
			return field + n + 1;
	return NULL;
}

void blob_write(struct json_out *o, const char *key, const char *field, uint32_t count)
{
	json_out_array(o, key);
	for (uint32_t i = 0; i < count; i++, field += strlen(field) + 1)
		json_out_string(o, NULL, field);
	json_out_end_array(o);
}

int blob_read(struct blob *b, const struct json *array)
{
	for (size_t i = 0; i < json_count(array); i++) {
		const char *text = json_string(json_at(array, i));
		int r = text ? blob_add(b, text) : -EINVAL;

		if (r < 0)
			return r;
	}
	return 0;
}
