// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/blame.h"

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

/* A death of which not all gateways have told yet. */
struct pending {
	uint32_t gateways; /* that have told; 0 = free */
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

/* A free one, or the one that was seen longest ago. */
static struct entry *make(struct blame *b, uint32_t service, uint64_t kind)
{
	struct entry *oldest = &b->entries[0];

	for (uint32_t n = 0; n < ENTRIES_MAX && oldest->used; n++)
		if (!b->entries[n].used || b->entries[n].last_ns < oldest->last_ns)
			oldest = &b->entries[n];
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
	all->more += more->more;
	for (uint32_t n = 0; n < more->count; n++) {
		if (lists(all, more->kinds[n]))
			continue;
		if (all->count == BLAME_KINDS_MAX) {
			all->more++;
			continue;
		}
		all->kinds[all->count] = more->kinds[n];
		memcpy(all->labels[all->count++], more->labels[n], BLAME_LABEL_SIZE);
	}
}

/* An instance died without them: they are no killers. Unless not all that was there is listed. */
static void clear_absent(struct blame *b, const struct wire_blame *all)
{
	for (uint32_t n = 0; all->more == 0 && all->count > 0 && n < ENTRIES_MAX; n++) {
		struct entry *e = &b->entries[n];

		if (e->used && e->service == all->service && !lists(all, e->kind))
			*e = (struct entry){0};
	}
}

static void count_death(struct blame *b, const struct wire_blame *all, uint32_t at, uint64_t now_ns)
{
	struct entry *e = find(b, all->service, all->kinds[at]);

	if (!e)
		e = make(b, all->service, all->kinds[at]);
	if (now_ns - e->last_ns > BLAME_WINDOW_NS && e->banned_until_ns < now_ns)
		e->deaths = e->bans = 0;
	e->deaths++;
	e->last_ns = now_ns;
	e->was_alone = e->was_alone || (all->count == 1 && all->more == 0);
	memcpy(e->label, all->labels[at], sizeof(e->label));
}

/* How many of them have been there as often as it takes. */
static uint32_t suspects(struct blame *b, const struct wire_blame *all)
{
	uint32_t count = 0;

	for (uint32_t n = 0; n < all->count; n++)
		count += find(b, all->service, all->kinds[n])->deaths >= BLAME_DEATHS;
	return count + (all->more > 0);
}

static struct blame_verdict judge(struct entry *e, bool alone_suspect, uint64_t now_ns)
{
	struct blame_verdict v = {.kind = e->kind, .deaths = e->deaths};
	uint32_t needed = e->was_alone || alone_suspect ? BLAME_DEATHS : 2 * BLAME_DEATHS;

	memcpy(v.label, e->label, sizeof(v.label));
	if (e->deaths < needed)
		return v;
	e->banned_until_ns = now_ns + (BLAME_BAN_NS << e->bans);
	if (e->bans < BLAME_BAN_MOST)
		e->bans++;
	v.until_ns = e->banned_until_ns;
	return v;
}

static struct pending *pending_of(struct blame *b, const struct wire_blame *report, uint64_t now_ns)
{
	struct pending *free_one = &b->pending[0];

	for (uint32_t n = 0; n < PENDING_MAX; n++) {
		struct pending *p = &b->pending[n];

		if (p->gateways > 0 && p->all.slot == report->slot &&
		    p->all.generation == report->generation)
			return p;
		if (free_one->gateways > 0 &&
		    (p->gateways == 0 || p->since_ns < free_one->since_ns))
			free_one = p;
	}
	*free_one = (struct pending){.since_ns = now_ns};
	free_one->all.service = report->service;
	free_one->all.slot = report->slot;
	free_one->all.generation = report->generation;
	return free_one;
}

uint32_t blame_report(struct blame *b, const struct wire_blame *report, uint32_t gateways,
		      uint64_t now_ns, struct blame_verdict verdicts[BLAME_KINDS_MAX])
{
	struct pending *p = pending_of(b, report, now_ns);
	const struct wire_blame *all = &p->all;
	bool alone;

	merge(&p->all, report);
	if (++p->gateways < gateways)
		return 0;
	p->gateways = 0;
	clear_absent(b, all);
	for (uint32_t n = 0; n < all->count; n++)
		count_death(b, all, n, now_ns);
	alone = all->count > 0 && suspects(b, all) == 1;
	for (uint32_t n = 0; n < all->count; n++)
		verdicts[n] = judge(find(b, all->service, all->kinds[n]), alone, now_ns);
	return all->count;
}
