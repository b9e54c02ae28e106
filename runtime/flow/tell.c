// SPDX-License-Identifier: Apache-2.0
/* Records to ebb-api. */
#include "runtime/flow/queues.h"
#include "runtime/flow/store_workflows.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"

#define NEWS_PER_S 1
#define NEWS_MOST  20

void tell(struct flow *f, uint32_t type, const void *record, size_t size)
{
	(void)wire_link_send(&f->api, type, record, size, NULL, 0);
}

void tell_result(struct flow *f, uint64_t cookie, int err, const char *text)
{
	struct wire_result result = {.cookie = cookie, .err = err};

	(void)text_copy(result.text, sizeof(result.text), text);
	tell(f, WIRE_RESULT, &result, sizeof(result));
}

/* whose: a service or a namespace. */
static void say(struct flow *f, const char *whose, struct wire_event *event)
{
	struct news *n = &f->news[text_hash(whose, strlen(whose)) % NEWS_SOURCES];
	uint64_t now_ns = clock_mono_ns();
	size_t length = strlen(event->text);

	n->left.per_s = NEWS_PER_S;
	n->left.most = NEWS_MOST;
	if (allowance_left(&n->left, now_ns) < 1) {
		n->untold++;
		return;
	}
	(void)allowance_take(&n->left, 1, now_ns);
	if (n->untold)
		(void)text_format(event->text + length, sizeof(event->text) - length,
				  "; before it %llu events were not told",
				  (unsigned long long)n->untold);
	n->untold = 0;
	event->when_us = clock_real_us();
	tell(f, WIRE_EVENT, event, sizeof(*event));
}

void tell_event(struct flow *f, uint32_t kind, const struct store_run *run, const char *text)
{
	struct wire_event event = {.kind = kind};

	(void)text_copy(event.service, sizeof(event.service), run->service);
	(void)text_format(event.text, sizeof(event.text), "schedule %s: %s", run->schedule, text);
	say(f, run->service, &event);
}

void tell_queue(struct flow *f, uint32_t kind, const struct topic *t, const char *consumer,
		const char *text)
{
	struct wire_event event = {.kind = kind};

	if (consumer)
		(void)text_format(event.text, sizeof(event.text), "topic %s of %s, consumer %s: %s",
				  t->name, t->space, consumer, text);
	else
		(void)text_format(event.text, sizeof(event.text), "topic %s of %s: %s", t->name,
				  t->space, text);
	say(f, t->space, &event);
}

void tell_failed(struct flow *f, const char *space, const struct store_work *run)
{
	struct wire_event event = {.kind = WIRE_EVENT_WORKFLOW_FAILED};

	(void)text_copy(event.service, sizeof(event.service), run->service);
	(void)text_format(event.text, sizeof(event.text), "run %s of %.200s in namespace %s failed",
			  run->id, run->name, space);
	say(f, space, &event);
}

void tell_totals(struct flow *f)
{
	f->totals_said = f->totals;
	tell(f, WIRE_FLOW_TOTALS, &f->totals, sizeof(f->totals));
}
