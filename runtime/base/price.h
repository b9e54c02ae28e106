/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of usage, in whole nano-units of a currency (1 USD = 1,000,000,000), by integers only.
 *
 * Each line (CPU, memory, invocations, bytes) is the exact product, rounded once, half up. A total
 * is the sum of its lines, so that a bill adds up. The ledger knows no prices: they are applied at
 * export, and a new price changes nothing in the ledger.
 */
#ifndef EBB_BASE_PRICE_H
#define EBB_BASE_PRICE_H

#include <stddef.h>
#include <stdint.h>

#define PRICE_NANO         UINT64_C(1000000000)
#define PRICE_TEXT_SIZE    32
#define PRICE_BYTES_PER_GB UINT64_C(1000000000)

struct price {
	uint64_t cpu_hour_nano; /* one CPU for one hour */
	uint64_t gb_hour_nano;  /* 1024 MB for one hour */
	uint64_t million_invocations_nano;
	uint64_t gb_out_nano, gb_in_nano; /* 1,000,000,000 bytes of the network */
};

struct price_amounts {
	uint64_t active_cpu_us;
	uint64_t provisioned_mb_us; /* sum of megabytes x microseconds */
	uint64_t invocations, net_out_bytes, net_in_bytes;
};

struct price_lines {
	uint64_t cpu_nano, memory_nano, invocations_nano, out_nano, in_nano, total_nano;
};

/* The lines of a bill. 0 and *out, or -EOVERFLOW when an amount does not fit 64 bits. */
int price_usage(const struct price *p, const struct price_amounts *amounts,
		struct price_lines *out);

/* Writes nano-units as "0.0004489", with this many decimals (0..9), rounded half up. Returns buf.
 */
const char *price_text(uint64_t nano, unsigned int decimals, char buf[PRICE_TEXT_SIZE]);
/* "0.221" -> 221000000. 0, -EINVAL (not a number, more than 9 decimals) or -ERANGE. */
int price_parse(const char *text, uint64_t *out_nano);

#endif
