/* SPDX-License-Identifier: Apache-2.0 */
/* Writes text into memory of the caller. */
#ifndef EBB_GATEWAY_WRITER_H
#define EBB_GATEWAY_WRITER_H

#include <string.h>

#include "runtime/http/head.h"

/* Bytes from at to end are free. A text that does not fit is left out and sets overflow; look at
 * overflow once, at the end. */
struct writer {
	char *at, *end;
	bool overflow;
};

/* Inline, because most texts are a few bytes. */
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
