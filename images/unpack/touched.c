// SPDX-License-Identifier: Apache-2.0
/* A set of paths, kept as hashes of 8 bytes, because there may be millions of them. If two paths
 * have the same hash, a whiteout may spare an entry that it should hide; nothing worse happens. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "images/unpack/place.h"
#include "runtime/base/text.h"

struct touched {
	uint64_t *slots; /* open addressing; 0 is free */
	size_t size, used;
};

struct touched *touched_new(void)
{
	struct touched *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->size = 1024;
	t->slots = calloc(t->size, sizeof(*t->slots));
	if (t->slots)
		return t;
	free(t);
	return NULL;
}

void touched_free(struct touched *t)
{
	if (!t)
		return;
	free(t->slots);
	free(t);
}

static uint64_t key_of(const char *path, size_t size)
{
	uint64_t key = text_hash(path, size);

	return key ? key : 1;
}

/* The slot that has the key, or the free slot for it. */
static uint64_t *slot_of(const struct touched *t, uint64_t key)
{
	size_t at = (size_t)(key ^ key >> 32) & (t->size - 1);

	while (t->slots[at] && t->slots[at] != key)
		at = (at + 1) & (t->size - 1);
	return &t->slots[at];
}

static int grow(struct touched *t)
{
	struct touched bigger = {.size = 2 * t->size};

	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i])
			*slot_of(&bigger, t->slots[i]) = t->slots[i];
	free(t->slots);
	t->slots = bigger.slots;
	t->size = bigger.size;
	return 0;
}

int touched_add(struct touched *t, const char *path)
{
	for (size_t n = strlen(path); n > 0; n--) {
		uint64_t *slot;

		if (path[n] != '\0' && path[n] != '/')
			continue;
		if (t->used >= t->size / 2) {
			int r = grow(t);

			if (r < 0)
				return r;
		}
		slot = slot_of(t, key_of(path, n));
		if (*slot)
			return 0; /* and so are those above it */
		*slot = key_of(path, n);
		t->used++;
	}
	return 0;
}

bool touched_has(const struct touched *t, const char *path)
{
	return *path == '\0' || *slot_of(t, key_of(path, strlen(path))) != 0;
}
