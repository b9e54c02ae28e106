// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/message/writer.h"

#include <string.h>

#include "runtime/base/mem.h"

void writer_text(struct writer *w, const char *text, size_t size)
{
	must(w->at <= w->end);
	if ((size_t)(w->end - w->at) < size) {
		w->overflow = true;
		return;
	}
	memcpy(w->at, text, size);
	w->at += size;
}

void writer_slice(struct writer *w, struct http_slice s)
{
	writer_text(w, s.at, s.size);
}

void writer_u64(struct writer *w, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	writer_text(w, digits + at, sizeof(digits) - at);
}

void writer_field(struct writer *w, const struct http_header *h)
{
	writer_slice(w, h->name);
	writer_lit(w, ": ");
	writer_slice(w, h->value);
	writer_lit(w, "\r\n");
}
