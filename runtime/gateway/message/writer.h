/* SPDX-License-Identifier: Apache-2.0 */
/* Text written into memory of the caller. */
#ifndef EBB_GATEWAY_WRITER_H
#define EBB_GATEWAY_WRITER_H

#include <string.h>

#include "runtime/http/head.h"

/* Where a head is written. Overflow is noticed once, at the end. */
struct writer {
	char *at, *end;
	bool overflow;
};

/* Most of what is written is a few bytes: no call. */
static inline void writer_text(struct writer *w, const char *text, size_t size)
{
	if ((size_t)(w->end - w->at) < size) {
		w->overflow = true;
		return;
	}
	memcpy(w->at, text, size);
	w->at += size;
}
#define writer_lit(w, literal) writer_text(w, literal, sizeof(literal) - 1)
static inline void writer_slice(struct writer *w, struct http_slice s)
{
	writer_text(w, s.at, s.size);
}
void writer_u64(struct writer *w, uint64_t value);
void writer_field(struct writer *w, const struct http_header *h);

#endif
