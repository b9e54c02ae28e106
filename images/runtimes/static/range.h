/* SPDX-License-Identifier: Apache-2.0 */
/* The field Range (RFC 9110 section 14): which bytes of a file a client asks for. */
#ifndef EBB_STATIC_RANGE_H
#define EBB_STATIC_RANGE_H

#include <stdint.h>

#define RANGES_MAX 16

struct range {
	uint64_t first, last; /* both included */
};

/* Reads the field for a file of this size and writes the ranges that can be served, in the client's
 * order. Returns how many there are; 0 if the whole file is the answer, because the field is not
 * valid, asks for another unit, of an empty file, for more than RANGES_MAX ranges, or for more
 * bytes than there are; -ERANGE if none of the ranges lies in the file. */
int range_read(const char *text, uint64_t size, struct range *out);

static inline uint64_t range_bytes(const struct range *r)
{
	return r->last - r->first + 1;
}

#endif
