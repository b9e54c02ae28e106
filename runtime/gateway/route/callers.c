// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/route/callers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define SHARE_OF_ALL 2u
#define SHARE_OF_ONE 16u
#define ONE_LEAST    4u

_Static_assert(DEPTH_MAX <= 32, "a bit for each depth");

int callers_init(struct callers *all, struct board *board, uint32_t gateway, uint32_t client_count)
{
	uint32_t one = client_count / SHARE_OF_ONE;

	*all = (struct callers){.board = board,
				.gateway = gateway,
				.open_max = client_count / SHARE_OF_ALL,
				.one_max = one > ONE_LEAST ? one : ONE_LEAST,
				.slots = calloc(INSTANCES_MAX, sizeof(*all->slots))};
	return all->slots ? 0 : -ENOMEM;
}

static bool record_ok(const struct callers *all, const struct wire_bindings *r)
{
	if (r->slot >= INSTANCES_MAX || r->count == 0 || r->count > BINDINGS_MAX ||
	    all->slots[r->slot].count > 0 || !text_terminated(r->id, sizeof(r->id)) ||
	    !text_terminated(r->service, sizeof(r->service)))
		return false;
	for (uint32_t n = 0; n < r->count; n++)
		if (!text_terminated(r->list[n].service, sizeof(r->list[n].service)))
			return false;
	return true;
}

int callers_put(struct callers *all, const struct wire_bindings *record, int *fds)
{
	struct caller *k;

	if (!record_ok(all, record))
		return -EINVAL;
	k = &all->slots[record->slot];
	*k = (struct caller){.generation = record->generation, .count = record->count};
	must(text_copy(k->id, sizeof(k->id), record->id) == 0);
	must(text_copy(k->service, sizeof(k->service), record->service) == 0);
	for (uint32_t n = 0; n < k->count; n++)
		k->bindings[n] = (struct binding){.fd = keep_fd(&fds[n]), .to = record->list[n]};
	return 0;
}

struct caller *callers_get(const struct callers *all, uint32_t slot, uint32_t generation)
{
	struct caller *k = slot < INSTANCES_MAX ? &all->slots[slot] : NULL;

	return k && k->count > 0 && k->generation == generation ? k : NULL;
}

static uint32_t slot_of(const struct callers *all, const struct caller *k)
{
	return (uint32_t)(k - all->slots);
}

void callers_drop(struct callers *all, struct caller *k)
{
	for (uint32_t n = 0; n < k->count; n++)
		fd_close(&k->bindings[n].fd);
	must(all->open >= k->open);
	all->open -= k->open; /* callers_leave finds it no more */
	board_set_depths(all->board, all->gateway, slot_of(all, k), 0);
	*k = (struct caller){0};
}

bool callers_admit(struct callers *all, struct caller *k)
{
	if (all->open >= all->open_max || k->open >= all->one_max)
		return false;
	all->open++;
	k->open++;
	return true;
}

void callers_leave(struct callers *all, uint32_t slot, uint32_t generation)
{
	struct caller *k = callers_get(all, slot, generation);

	if (!k)
		return;
	must(k->open > 0 && all->open > 0);
	k->open--;
	all->open--;
}

static void publish(struct callers *all, const struct caller *k)
{
	uint32_t bits = 0;

	for (uint32_t depth = 0; depth < DEPTH_MAX; depth++)
		bits |= (uint32_t)(k->depths[depth] > 0) << depth;
	board_set_depths(all->board, all->gateway, slot_of(all, k), bits);
}

void callers_begin(struct callers *all, uint32_t slot, uint32_t generation, uint32_t depth)
{
	struct caller *k = callers_get(all, slot, generation);

	must(depth < DEPTH_MAX);
	if (k && k->depths[depth]++ == 0)
		publish(all, k);
}

void callers_end(struct callers *all, uint32_t slot, uint32_t generation, uint32_t depth)
{
	struct caller *k = callers_get(all, slot, generation);

	must(depth < DEPTH_MAX && (!k || k->depths[depth] > 0));
	if (k && --k->depths[depth] == 0)
		publish(all, k);
}

/* The depth that the call says it belongs to, or DEPTH_MAX. */
static uint32_t said_depth(const struct http_head *head)
{
	const struct http_header *found = NULL;
	uint32_t depth = 0;

	for (size_t i = 0; i < head->header_count; i++) {
		const struct http_header *h = &head->headers[i];

		if (h->field != HTTP_FIELD_EBB || !http_slice_is_nocase(h->name, "x-ebb-depth"))
			continue;
		if (found)
			return DEPTH_MAX;
		found = h;
	}
	if (!found || found->value.size == 0 || found->value.size > 2)
		return DEPTH_MAX;
	for (size_t i = 0; i < found->value.size; i++) {
		char digit = found->value.at[i];

		if (digit < '0' || digit > '9')
			return DEPTH_MAX;
		depth = depth * 10 + (uint32_t)(digit - '0');
	}
	return depth;
}

uint32_t callers_depth(const struct callers *all, uint32_t slot, const struct http_head *head)
{
	/* A hijacked gateway may write any bits: higher ones mean nothing. */
	uint32_t bits = board_depths(all->board, slot) & ((1u << DEPTH_MAX) - 1);
	uint32_t said = said_depth(head);

	if (said < DEPTH_MAX && bits >> said & 1)
		return said + 1;
	return bits ? 32 - (uint32_t)__builtin_clz(bits) : 1;
}
