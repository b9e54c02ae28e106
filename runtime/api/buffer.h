/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that come in at the end and leave at the front. Zero is an empty buffer. */
#ifndef EBB_API_BUFFER_H
#define EBB_API_BUFFER_H

#include <stddef.h>

struct buffer {
	char *memory; /* owned */
	size_t start, size, capacity;
};

/* Frees the memory; the buffer is empty and may be used again. A zeroed one is valid. */
void buffer_fini(struct buffer *b);
static inline char *buffer_at(const struct buffer *b)
{
	return b->memory ? b->memory + b->start : NULL;
}
/* Room for more bytes at the end; NULL if there is no memory. May move what is there. */
char *buffer_reserve(struct buffer *b, size_t more);
void buffer_added(struct buffer *b, size_t size); /* after writing into what was reserved */
int buffer_add(struct buffer *b, const void *bytes, size_t size); /* 0 or -ENOMEM */
int buffer_printf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buffer_take(struct buffer *b, size_t size); /* removes from the front */

#endif
