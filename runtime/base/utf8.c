// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/utf8.h"

#include "runtime/base/mem.h"

/* Table 3-7 of the Unicode standard: for each range of first bytes, the bytes of the sequence and
 * the range of the second byte. */
static const struct lead {
	unsigned char first, last, bytes, second_min, second_max;
} leads[] = {
	{0x00, 0x7f, 1, 0x00, 0x00}, {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
	{0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
	{0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

size_t utf8_sequence(const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	const struct lead *lead = leads;

	if (size == 0)
		return 0;
	while (at[0] > lead->last)
		if (++lead == leads + ARRAY_LEN(leads))
			return 0;
	if (at[0] < lead->first || lead->bytes > size)
		return 0;
	if (lead->bytes > 1 && (at[1] < lead->second_min || at[1] > lead->second_max))
		return 0;
	for (size_t i = 2; i < lead->bytes; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return lead->bytes;
}

bool utf8_is_text(const char *text, size_t size)
{
	while (size > 0) {
		size_t n = utf8_sequence(text, size);

		if (n == 0 || *text == '\0')
			return false;
		text += n;
		size -= n;
	}
	return true;
}
