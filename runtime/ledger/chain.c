// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/chain.h"

#include <string.h>

#include "runtime/base/mem.h"

struct encoder {
	uint8_t *bytes;
	size_t used;
};

static void put(struct encoder *en, const void *bytes, size_t size)
{
	must(size <= CHAIN_BYTES_MAX - en->used);
	memcpy(en->bytes + en->used, bytes, size);
	en->used += size;
}

static void put_u64(struct encoder *en, uint64_t value)
{
	uint8_t little[8];

	for (size_t i = 0; i < sizeof(little); i++)
		little[i] = (uint8_t)(value >> (8 * i));
	put(en, little, sizeof(little));
}

/* Encodes a row into bytes; returns how many. */
static size_t chain_encode(const struct entry *e, uint8_t bytes[CHAIN_BYTES_MAX])
{
	struct encoder en = {.bytes = bytes};
	const uint8_t format = (uint8_t)e->format;

	must(e->format >= 1 && e->format <= ENTRY_FORMAT);
	put(&en, CHAIN_MAGIC, 3);
	put(&en, &format, 1);
	put(&en, e->prev_hash, SHA256_BYTES);
	put_u64(&en, e->id);
	for (size_t i = 0; i < entry_columns(e->format); i++) {
		const struct column *c = &meter_columns[i];

		if (c->kind == COLUMN_TEXT) {
			const char *text = column_text(c, &e->meter);
			size_t length = strnlen(text, c->size);

			put_u64(&en, length);
			put(&en, text, length);
		} else {
			put_u64(&en, column_get(c, &e->meter));
		}
	}
	return en.used;
}

int chain_hash(const struct entry *e, uint8_t hash[SHA256_BYTES])
{
	uint8_t bytes[CHAIN_BYTES_MAX];

	return sha256_of(bytes, chain_encode(e, bytes), hash);
}
