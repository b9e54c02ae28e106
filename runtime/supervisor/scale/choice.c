// SPDX-License-Identifier: Apache-2.0
/*
 * Makes events from the gateways' reports of why requests go to an instance: of the first change at
 * once, then one event for many, with the sums. The access log line has the reason of one request.
 */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/choice.h"
#include "runtime/supervisor/scale/fleet_inside.h"

#define SAY_AGAIN_NS (5 * NS_PER_SEC)

static const char *const reason_texts[WIRE_CHOICE_COUNT] = {
	[WIRE_CHOICE_ONLY] = "the only instance",
	[WIRE_CHOICE_FULLEST] = "the fullest of those awake with room",
	[WIRE_CHOICE_WOKEN] = "frozen, as none awake had room",
	[WIRE_CHOICE_SATURATED] = "saturated, as all with room were",
	[WIRE_CHOICE_OLDER] = "of an older revision, as none of the present one had room",
};

static const char *const made_texts[WIRE_CHOICE_COUNT] = {
	[WIRE_CHOICE_ONLY] = "to the only one",  [WIRE_CHOICE_FULLEST] = "to the fullest",
	[WIRE_CHOICE_WOKEN] = "woke one",        [WIRE_CHOICE_SATURATED] = "to a saturated one",
	[WIRE_CHOICE_OLDER] = "to an older one",
};

/* "3 frozen, 1 saturated": the number of each kind, without those that are zero. */
static void list(char *out, size_t size, const uint32_t *counts, const char *const *texts,
		 uint32_t count)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t n = 0; n < count; n++) {
		if (counts[n] == 0)
			continue;
		(void)text_format(out + used, size - used, "%s%u %s", used ? ", " : "", counts[n],
				  texts[n]);
		used += strlen(out + used);
	}
}

static void list_others(const struct wire_choice *n, char *out, size_t size)
{
	static const char *const texts[] = {"awake with room", "frozen", "saturated",
					    "of an older revision", "without room"};
	const uint32_t counts[] = {n->awake, n->frozen, n->saturated, n->older, n->full};

	list(out, size, counts, texts, ARRAY_LEN(texts));
}

static void say(struct fleet *f, struct service *service, uint64_t now_ns)
{
	struct choices *c = &service->told.choices;
	const struct wire_choice *n = &c->last;
	struct wire_event event = {.when_us = clock_real_us(), .kind = WIRE_EVENT_INSTANCE_CHOSEN};
	char others[150], made[150];

	must(n->reason < WIRE_CHOICE_COUNT && now_ns >= c->made_ns);
	list_others(n, others, sizeof(others));
	list(made, sizeof(made), n->made, made_texts, WIRE_CHOICE_COUNT);
	(void)text_copy(event.service, sizeof(event.service), service->name);
	(void)text_copy(event.instance, sizeof(event.instance), c->instance);
	(void)text_format(event.text, sizeof(event.text),
			  "%s: %u of %u open there now, there were %s; requests since the last "
			  "such event: %s; chosen %llu ms ago",
			  reason_texts[n->reason], n->tickets, n->limit, others, made,
			  (unsigned long long)(now_ns - c->made_ns) / NS_PER_MS);
	tell_event(&f->ground, &event);
}

uint64_t choice_say_due(struct fleet *f, struct service *service)
{
	struct choices *c = &service->told.choices;
	uint64_t now_ns = loop_now_ns(f->ground.loop);

	if (!c->due)
		return 0;
	if (c->said_ns && now_ns - c->said_ns < SAY_AGAIN_NS)
		return c->said_ns + SAY_AGAIN_NS;
	say(f, service, now_ns);
	memset(c->last.made, 0, sizeof(c->last.made));
	c->due = false;
	c->said_ns = now_ns;
	c->said_slot = c->last.slot;
	c->said_generation = c->last.generation;
	c->said_reason = c->last.reason;
	return 0;
}

/* Several gateways say the same of one change. */
static bool is_news(const struct choices *c, const struct wire_choice *choice)
{
	return choice->slot != c->said_slot || choice->generation != c->said_generation ||
	       choice->reason != c->said_reason;
}

int choice_made(struct fleet *f, const struct wire_choice *choice)
{
	struct service *service = services_at(f->ground.services, choice->service);
	const struct instance *i = instance_find(&f->ground, choice->slot, choice->generation);
	uint32_t sums[WIRE_CHOICE_COUNT];
	struct choices *c;

	if (choice->reason >= WIRE_CHOICE_COUNT)
		return -EPROTO;
	if (!service || !i || i->service != service->index)
		return 0; /* it went down meanwhile */
	c = &service->told.choices;
	for (uint32_t n = 0; n < WIRE_CHOICE_COUNT; n++)
		sums[n] = c->last.made[n] + choice->made[n];
	c->last = *choice;
	c->made_ns = loop_now_ns(f->ground.loop);
	memcpy(c->last.made, sums, sizeof(sums));
	(void)text_copy(c->instance, sizeof(c->instance), i->id);
	c->due = c->due || is_news(c, choice);
	return 0;
}
