/* SPDX-License-Identifier: Apache-2.0 */
/* Usage in the formats others read. Pure. Integers as the ledger holds them; prices only in FOCUS.
 */
#ifndef EBB_API_USAGE_FORMATS_H
#define EBB_API_USAGE_FORMATS_H

#include <stdbool.h>

#include <stddef.h>
#include <stdint.h>

#include "runtime/api/buffer.h"
#include "runtime/wire/records.h"

/* In millionths of the currency. */
struct usage_prices {
	uint64_t cpu_hour, gb_hour, million_invocations;
	char currency[4];
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
	int (*write)(struct buffer *out, const struct usage_report *report); /* 0 or -ENOMEM */
};

extern const struct usage_format usage_formats[]; /* ends with a NULL name */
const struct usage_format *usage_format_find(const char *name);

/* "0.221" -> 221000. 0 or -EINVAL (more than six digits behind the point, or not a number). */
int usage_price_parse(const char *text, uint64_t *out);
/* What these quantities cost, in 1e-12 of the currency. */
unsigned __int128 usage_cost_cpu(uint64_t cpu_us, uint64_t price);
unsigned __int128 usage_cost_memory(uint64_t mb_us, uint64_t price);
unsigned __int128 usage_cost_invocations(uint64_t count, uint64_t price);
/* "0.000448888888"; buf of at least 48 bytes. Returns buf. */
const char *usage_decimal(unsigned __int128 pico, char *buf, size_t size);

/* usage_focus.c */
int usage_write_focus(struct buffer *out, const struct usage_report *report);

#endif
