// SPDX-License-Identifier: Apache-2.0
#include "runtime/dns/pointers.h"

#include <string.h>

#include "runtime/base/mem.h"

#define LABELS_MOST 127  /* of a name of 255 bytes */
#define SHORT_BYTES 4096 /* so few bytes cost little, whatever is in them */
#define POINTER     0xc0

/* For each place: how many pointers a name that is read there leads through; or: */
enum { UNKNOWN = UINT16_MAX, BEGUN = UINT16_MAX - 1, ENDLESS = UINT16_MAX - 2 };

/* Where a name is read on from this place. size: it ends here, or is wrong. */
static size_t next_of(const uint8_t *bytes, size_t size, size_t at)
{
	uint8_t first = bytes[at];
	size_t to = size;

	if (first >= POINTER && at + 1 < size)
		to = (size_t)(first & ~POINTER & 0xff) << 8 | bytes[at + 1];
	else if (first > 0 && first < 0x40)
		to = at + 1 + first;
	return to < size ? to : size;
}

static uint16_t is_pointer(uint8_t first)
{
	return first >= POINTER;
}

/* Fills in all places on the way of a name that begins here. */
static uint16_t follow(const uint8_t *bytes, size_t size, size_t begin, uint16_t *count)
{
	uint16_t left = 0;
	size_t at = begin;

	for (; at < size && count[at] == UNKNOWN; at = next_of(bytes, size, at)) {
		count[at] = BEGUN;
		left = (uint16_t)(left + is_pointer(bytes[at])); /* each place once: 65,535 */
	}
	if (at < size && count[at] >= ENDLESS)
		left = ENDLESS;
	else if (at < size)
		left = (uint16_t)(left + count[at]);
	for (at = begin; at < size && count[at] == BEGUN; at = next_of(bytes, size, at)) {
		count[at] = left;
		if (left != ENDLESS)
			left = (uint16_t)(left - is_pointer(bytes[at]));
	}
	return count[begin];
}

bool pointers_are_few(const uint8_t *bytes, size_t size)
{
	uint16_t count[POINTERS_MESSAGE_MAX];

	must(size <= POINTERS_MESSAGE_MAX);
	if (size <= SHORT_BYTES)
		return true;
	memset(count, 0xff, sizeof(count));
	for (size_t at = 0; at < size; at++) {
		uint16_t n = count[at] == UNKNOWN ? follow(bytes, size, at, count) : count[at];

		if (n > LABELS_MOST && n != ENDLESS)
			return false;
	}
	return true;
}
