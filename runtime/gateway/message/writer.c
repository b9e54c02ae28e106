// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/message/writer.h"

#include "runtime/base/mem.h"

void writer_u64(struct writer *w, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	must(w->at <= w->end);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	writer_text(w, digits + at, sizeof(digits) - at);
}

void writer_field(struct writer *w, const struct http_header *h)
{
	must(w->at <= w->end);
	writer_slice(w, h->name);
	writer_lit(w, ": ");
	writer_slice(w, h->value);
	writer_lit(w, "\r\n");
}
