// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

#define FIRST_CAPACITY 4096

void buffer_fini(struct buffer *b)
{
	free(b->memory);
	*b = (struct buffer){0};
}

char *buffer_reserve(struct buffer *b, size_t more)
{
	size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
	char *memory;

	if (b->capacity - b->start - b->size >= more)
		return buffer_at(b) + b->size;
	if (b->start > 0)
		memmove(b->memory, buffer_at(b), b->size);
	b->start = 0;
	while (capacity - b->size < more)
		capacity *= 2;
	if (capacity != b->capacity) {
		memory = realloc(b->memory, capacity);
		if (!memory)
			return NULL;
		b->memory = memory;
		b->capacity = capacity;
	}
	return b->memory + b->size;
}

void buffer_added(struct buffer *b, size_t size)
{
	must(b->capacity - b->start - b->size >= size);
	b->size += size;
}

int buffer_add(struct buffer *b, const void *bytes, size_t size)
{
	char *at;

	if (size == 0)
		return 0;
	at = buffer_reserve(b, size);
	if (!at)
		return -ENOMEM;
	memcpy(at, bytes, size);
	buffer_added(b, size);
	return 0;
}

int buffer_printf(struct buffer *b, const char *fmt, ...)
{
	va_list ap;
	char *at;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	at = buffer_reserve(b, (size_t)n + 1);
	if (!at)
		return -ENOMEM;
	va_start(ap, fmt);
	vsnprintf(at, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buffer_added(b, (size_t)n);
	return 0;
}

void buffer_take(struct buffer *b, size_t size)
{
	must(size <= b->size);
	b->size -= size;
	b->start = b->size ? b->start + size : 0;
}
