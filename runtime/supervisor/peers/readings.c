// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/readings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"

#define STEPS_MAX 64 /* readings of other instances that are looked at for an earlier one */

struct reading {
	struct wire_meter meter;
	uint64_t before; /* the number of the last one with the same hash; lower, or nobody's */
	bool outdated;   /* a later one of its instance waits */
};

struct readings {
	uint64_t seq, acked;
	uint64_t base; /* at most acked: nothing waited then, so the first places are used again */
	uint32_t room;
	uint64_t *newest;    /* by hash of the instance */
	struct reading *all; /* the one with number n is at (n - base) % room */
};

int readings_new(uint32_t room, uint64_t first, struct readings **out)
{
	struct readings *r = calloc(1, sizeof(*r));

	must(room > 1 && (room & (room - 1)) == 0);
	if (!r)
		return -ENOMEM;
	*r = (struct readings){.seq = first, .acked = first, .base = first, .room = room};
	r->newest = calloc(room, sizeof(*r->newest));
	r->all = calloc(room, sizeof(*r->all));
	if (!r->newest || !r->all) {
		readings_free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void readings_free(struct readings *r)
{
	if (!r)
		return;
	free(r->newest);
	free(r->all);
	free(r);
}

static struct reading *at(const struct readings *r, uint64_t seq)
{
	must(seq > r->acked && seq <= r->seq && r->base <= r->acked);
	return &r->all[(seq - r->base) % r->room];
}

/* FNV-1a */
static uint64_t *bucket(struct readings *r, const struct wire_meter *m)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < sizeof(m->instance) && m->instance[i]; i++)
		hash = (hash ^ (unsigned char)m->instance[i]) * 16777619u;
	return &r->newest[hash % r->room];
}

/* Whether both are of one account of the bill. */
static bool same_instance(const struct wire_meter *a, const struct wire_meter *b)
{
	return a->boot_us == b->boot_us && a->cgroup_id == b->cgroup_id &&
	       strncmp(a->instance, b->instance, sizeof(a->instance)) == 0;
}

static void outdate_earlier(struct readings *r, const struct wire_meter *m)
{
	uint64_t seq = *bucket(r, m);

	for (int step = 0; seq > r->acked && step < STEPS_MAX; step++) {
		struct reading *earlier = at(r, seq);

		if (same_instance(&earlier->meter, m)) {
			earlier->outdated = true;
			return;
		}
		seq = earlier->before;
	}
}

static void put(struct readings *r, const struct wire_meter *m)
{
	uint64_t *newest = bucket(r, m);
	struct reading *new;

	must(r->seq - r->acked < r->room);
	r->seq++;
	new = at(r, r->seq);
	*new = (struct reading){.meter = *m, .before = *newest};
	new->meter.seq = r->seq;
	*newest = r->seq;
}

/* Makes room for one. False: a reading is lost. */
static bool give_way(struct readings *r)
{
	for (uint64_t n = r->seq - r->acked; n > 0; n--) {
		struct reading oldest = *at(r, r->acked + 1);

		r->acked++;
		if (oldest.outdated)
			return true;
		put(r, &oldest.meter);
	}
	r->acked++;
	return false;
}

bool readings_add(struct readings *r, struct wire_meter *record)
{
	bool whole = r->seq - r->acked < r->room - 1;

	outdate_earlier(r, record);
	if (!whole)
		whole = give_way(r);
	put(r, record);
	record->seq = r->seq;
	return whole;
}

void readings_safe(struct readings *r, uint64_t seq)
{
	must(seq <= r->seq);
	if (seq > r->acked)
		r->acked = seq;
	if (r->acked == r->seq)
		r->base = r->seq; /* memory that was never needed is never touched */
}

uint64_t readings_last(const struct readings *r)
{
	return r->seq;
}

uint64_t readings_acked(const struct readings *r)
{
	return r->acked;
}

const struct wire_meter *readings_at(const struct readings *r, uint64_t seq)
{
	return &at(r, seq)->meter;
}
