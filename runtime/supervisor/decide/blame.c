// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/decide/blame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

#define ENTRIES_MAX 256u
#define PENDING_MAX 16u

struct entry {
	bool used, was_alone;
	uint32_t service, deaths, bans;
	uint64_t kind, last_ns, banned_until_ns;
	char label[BLAME_LABEL_SIZE];
};

/* A death of which not all gateways have told yet. ebbd says whose death it was; gateways do
 * not. */
struct pending {
	uint64_t waiting; /* a bit for each gateway that has not told; 0 = free */
	uint64_t since_ns;
	struct wire_blame all;
};

struct blame {
	struct entry entries[ENTRIES_MAX];
	struct pending pending[PENDING_MAX];
};

int blame_new(struct blame **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void blame_free(struct blame *b)
{
	free(b);
}

static struct entry *find(struct blame *b, uint32_t service, uint64_t kind)
{
	for (uint32_t n = 0; n < ENTRIES_MAX; n++) {
		struct entry *e = &b->entries[n];

		if (e->used && e->kind == kind && e->service == service)
			return e;
	}
	return NULL;
}

/* A free entry, or the one that was seen longest ago; never one of the given kinds, which were
 * present at the same death. */
static struct entry *make(struct blame *b, uint32_t service, uint64_t kind,
			  struct entry *const *spared, uint32_t spared_count)
{
	struct entry *oldest = NULL;

	for (uint32_t n = 0; n < ENTRIES_MAX; n++) {
		struct entry *e = &b->entries[n];
		bool spare = false;

		for (uint32_t k = 0; k < spared_count; k++)
			spare = spare || spared[k] == e;
		if (spare)
			continue;
		if (!oldest || (oldest->used && (!e->used || e->last_ns < oldest->last_ns)))
			oldest = e;
	}
	must(oldest); /* ENTRIES_MAX is more than one death can list */
	*oldest = (struct entry){.used = true, .service = service, .kind = kind};
	return oldest;
}

void blame_clear(struct blame *b, uint32_t service, uint64_t kind)
{
	struct entry *e = find(b, service, kind);

	if (e)
		*e = (struct entry){0};
}

void blame_forget(struct blame *b, uint32_t service)
{
	for (uint32_t n = 0; n < ENTRIES_MAX; n++)
		if (b->entries[n].used && b->entries[n].service == service)
			b->entries[n] = (struct entry){0};
}

static bool lists(const struct wire_blame *all, uint64_t kind)
{
	for (uint32_t n = 0; n < all->count; n++)
		if (all->kinds[n] == kind)
			return true;
	return false;
}

/* Adds what another gateway says of the same death. */
static void merge(struct wire_blame *all, const struct wire_blame *more)
{
	bool cut = more->more > 0 || more->count > BLAME_KINDS_MAX;

	for (uint32_t n = 0; n < more->count && n < BLAME_KINDS_MAX; n++) {
		if (lists(all, more->kinds[n]))
			continue;
		if (all->count == BLAME_KINDS_MAX) {
			cut = true;
			continue;
		}
		all->kinds[all->count] = more->kinds[n];
		memcpy(all->labels[all->count++], more->labels[n], BLAME_LABEL_SIZE);
	}
	must(all->count <= BLAME_KINDS_MAX);
	all->more = all->more || cut;
}

/* An instance died without these kinds, so they are no killers; unless the list was cut. */
static void clear_absent(struct blame *b, const struct wire_blame *all)
{
	for (uint32_t n = 0; all->more == 0 && all->count > 0 && n < ENTRIES_MAX; n++) {
		struct entry *e = &b->entries[n];

		if (e->used && e->service == all->service && !lists(all, e->kind))
			*e = (struct entry){0};
	}
}

static void count_death(struct entry *e, const struct wire_blame *all, uint32_t at, uint64_t now_ns)
{
	if (now_ns - e->last_ns > BLAME_WINDOW_NS && e->banned_until_ns < now_ns)
		e->deaths = e->bans = 0;
	e->deaths++;
	e->last_ns = now_ns;
	e->was_alone = e->was_alone || (all->count == 1 && all->more == 0);
	memcpy(e->label, all->labels[at], sizeof(e->label));
}

/* How many of the kinds were in flight at BLAME_DEATHS deaths; a cut list counts as one more. */
static uint32_t suspects(struct entry *const *were, const struct wire_blame *all)
{
	uint32_t count = 0;

	for (uint32_t n = 0; n < all->count; n++)
		count += were[n]->deaths >= BLAME_DEATHS;
	return count + (all->more > 0);
}

static struct blame_verdict judge(struct entry *e, bool alone_suspect, uint64_t now_ns)
{
	struct blame_verdict v = {.kind = e->kind, .deaths = e->deaths};
	uint32_t needed = e->was_alone || alone_suspect ? BLAME_DEATHS : 2 * BLAME_DEATHS;

	must(e->used && e->deaths > 0 && e->bans <= BLAME_BAN_MOST);
	memcpy(v.label, e->label, sizeof(v.label));
	if (e->deaths < needed)
		return v;
	e->banned_until_ns = now_ns + (BLAME_BAN_NS << e->bans);
	if (e->bans < BLAME_BAN_MOST)
		e->bans++;
	v.until_ns = e->banned_until_ns;
	return v;
}

void blame_died(struct blame *b, uint32_t service, uint32_t slot, uint32_t generation,
		uint64_t gateways, uint64_t now_ns)
{
	struct pending *place = &b->pending[0];

	for (uint32_t n = 0; n < PENDING_MAX && place->waiting; n++)
		if (!b->pending[n].waiting || b->pending[n].since_ns < place->since_ns)
			place = &b->pending[n];
	_Static_assert(GATEWAYS_MAX <= 64, "a bit for each");
	*place = (struct pending){
		.waiting = gateways,
		.since_ns = now_ns,
		.all = {.service = service, .slot = slot, .generation = generation}};
}

static struct pending *pending_of(struct blame *b, const struct wire_blame *report,
				  uint64_t gateway_bit)
{
	for (uint32_t n = 0; n < PENDING_MAX; n++) {
		struct pending *p = &b->pending[n];

		if ((p->waiting & gateway_bit) && p->all.slot == report->slot &&
		    p->all.generation == report->generation && p->all.service == report->service)
			return p;
	}
	return NULL;
}

void blame_gateway_gone(struct blame *b, uint32_t gateway)
{
	for (uint32_t n = 0; n < PENDING_MAX && gateway < GATEWAYS_MAX; n++)
		b->pending[n].waiting &= ~(UINT64_C(1) << gateway);
}

static uint32_t conclude(struct blame *b, const struct wire_blame *all, uint64_t now_ns,
			 struct blame_verdict verdicts[BLAME_KINDS_MAX])
{
	struct entry *were[BLAME_KINDS_MAX];
	bool alone;

	clear_absent(b, all);
	for (uint32_t n = 0; n < all->count; n++) {
		were[n] = find(b, all->service, all->kinds[n]);
		if (!were[n])
			were[n] = make(b, all->service, all->kinds[n], were, n);
		count_death(were[n], all, n, now_ns);
	}
	alone = all->count > 0 && suspects(were, all) == 1;
	for (uint32_t n = 0; n < all->count; n++)
		verdicts[n] = judge(were[n], alone, now_ns);
	return all->count;
}

uint32_t blame_report(struct blame *b, const struct wire_blame *report, uint32_t gateway,
		      uint64_t now_ns, struct blame_verdict verdicts[BLAME_KINDS_MAX])
{
	uint64_t bit = gateway < GATEWAYS_MAX ? UINT64_C(1) << gateway : 0;
	struct pending *p = pending_of(b, report, bit);

	if (!p)
		return 0;
	merge(&p->all, report);
	p->waiting &= ~bit;
	return p->waiting ? 0 : conclude(b, &p->all, now_ns, verdicts);
}
