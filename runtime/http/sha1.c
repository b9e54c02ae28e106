// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/sha1.h"

#include <string.h>

static uint32_t rotate(uint32_t word, int bits)
{
	return word << bits | word >> (32 - bits);
}

static void stir(uint32_t h[5], const uint8_t block[64])
{
	static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[i * 4] << 24 | (uint32_t)block[i * 4 + 1] << 16 |
		       (uint32_t)block[i * 4 + 2] << 8 | block[i * 4 + 3];
	for (int i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20   ? (b & c) | (~b & d)
			     : i < 40 ? b ^ c ^ d
			     : i < 60 ? (b & c) | (b & d) | (c & d)
				      : b ^ c ^ d;
		uint32_t next = rotate(a, 5) + f + e + constants[i / 20] + w[i];

		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

void sha1(const void *data, size_t size, uint8_t out[SHA1_BYTES])
{
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	const uint8_t *at = data;
	uint64_t bits = (uint64_t)size * 8;
	uint8_t tail[128] = {0};
	size_t tail_bytes;

	for (; size >= 64; size -= 64, at += 64)
		stir(h, at);
	if (size > 0)
		memcpy(tail, at, size);
	tail[size] = 0x80;
	tail_bytes = size < 56 ? 64 : 128;
	for (size_t i = 0; i < 8; i++)
		tail[tail_bytes - 1 - i] = (uint8_t)(bits >> (8 * i));
	for (size_t i = 0; i < tail_bytes; i += 64)
		stir(h, tail + i);
	for (int i = 0; i < SHA1_BYTES; i++)
		out[i] = (uint8_t)(h[i / 4] >> (24 - i % 4 * 8));
}
