/* SPDX-License-Identifier: Apache-2.0 */
/* Usage in the formats that other programs read. Pure. Figures are the integers of the ledger; only
 * FOCUS has prices. */
#ifndef EBB_API_USAGE_FORMATS_H
#define EBB_API_USAGE_FORMATS_H

#include <stdbool.h>

#include <stddef.h>
#include <stdint.h>

#include "runtime/api/buffer.h"
#include "runtime/base/price.h"
#include "runtime/wire/records.h"

struct usage_prices {
	struct price price;
	char currency[4]; /* ISO 4217 */
};

struct usage_report {
	uint64_t from_us, to_us;
	const char *node;
	struct usage_prices prices;
	const struct wire_usage_row *rows; /* one per service, or per service and hour */
	size_t count;
};

struct usage_format {
	const char *name, *content_type;
	uint64_t bucket_us;      /* 0: one row per service */
	bool only_whole_buckets; /* a bucket that can still grow is left out */
	int (*write)(struct buffer *out, const struct usage_report *report); /* 0 or -errno */
};

extern const struct usage_format usage_formats[]; /* ends with a NULL name */
/* NULL if no format has this name. */
const struct usage_format *usage_format_find(const char *name);

/* usage_focus.c: the write function of FOCUS. 0, -ENOMEM, or -EOVERFLOW when a charge does not fit
 * 64 bits. */
int usage_write_focus(struct buffer *out, const struct usage_report *report);

#endif
