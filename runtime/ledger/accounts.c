// SPDX-License-Identifier: Apache-2.0
#include "runtime/ledger/accounts.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define FIRST_CAPACITY 64

/* FNV-1a */
static uint64_t hash(uint64_t boot_us, const char *instance)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ boot_us;

	for (; *instance; instance++)
		h = (h ^ (unsigned char)*instance) * UINT64_C(1099511628211);
	return h ^ h >> 32;
}

/* Where the account is, or would be. Half of all places are free. */
static uint32_t *place(const struct accounts *a, uint64_t boot_us, const char *instance)
{
	size_t at = hash(boot_us, instance) & (a->place_count - 1);

	for (;; at = (at + 1) & (a->place_count - 1)) {
		const struct account *found;

		if (a->places[at] == 0)
			return &a->places[at];
		found = &a->list[a->places[at] - 1];
		if (found->boot_us == boot_us && strcmp(found->instance, instance) == 0)
			return &a->places[at];
	}
}

static int make_room(struct accounts *a)
{
	size_t capacity = a->capacity ? 2 * a->capacity : FIRST_CAPACITY;
	struct account *list;
	uint32_t *places;

	if (a->count < a->capacity)
		return 0;
	list = reallocarray(a->list, capacity, sizeof(*list));
	if (!list)
		return -1;
	a->list = list;
	places = calloc(2 * capacity, sizeof(*places));
	if (!places)
		return -1;
	free(a->places);
	a->places = places;
	a->place_count = 2 * capacity;
	a->capacity = capacity;
	for (size_t n = 0; n < a->count; n++)
		*place(a, list[n].boot_us, list[n].instance) = (uint32_t)n + 1;
	return 0;
}

struct account *accounts_get(struct accounts *a, uint64_t boot_us, const char *instance)
{
	struct account *new;
	uint32_t *at;

	if (make_room(a) < 0)
		return NULL;
	at = place(a, boot_us, instance);
	if (*at)
		return &a->list[*at - 1];
	new = &a->list[a->count++];
	*new = (struct account){.boot_us = boot_us};
	must(text_copy(new->instance, sizeof(new->instance), instance) == 0);
	*at = (uint32_t)a->count;
	return new;
}

void accounts_fini(struct accounts *a)
{
	free(a->list);
	free(a->places);
	*a = (struct accounts){0};
}
