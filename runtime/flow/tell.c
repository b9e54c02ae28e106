// SPDX-License-Identifier: Apache-2.0
/* Records to ebb-api. */
#include "runtime/flow/queues.h"

#include "runtime/base/clock.h"
#include "runtime/base/text.h"

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

void tell_event(struct flow *f, uint32_t kind, const struct store_run *run, const char *text)
{
	struct wire_event event = {.when_us = clock_real_us(), .kind = kind};

	(void)text_copy(event.service, sizeof(event.service), run->service);
	(void)text_format(event.text, sizeof(event.text), "schedule %s: %s", run->schedule, text);
	tell(f, WIRE_EVENT, &event, sizeof(event));
}

void tell_queue(struct flow *f, uint32_t kind, const struct topic *t, const char *consumer,
		const char *text)
{
	struct wire_event event = {.when_us = clock_real_us(), .kind = kind};

	if (consumer)
		(void)text_format(event.text, sizeof(event.text), "topic %s of %s, consumer %s: %s",
				  t->name, t->space, consumer, text);
	else
		(void)text_format(event.text, sizeof(event.text), "topic %s of %s: %s", t->name,
				  t->space, text);
	tell(f, WIRE_EVENT, &event, sizeof(event));
}

void tell_totals(struct flow *f)
{
	f->totals_said = f->totals;
	tell(f, WIRE_FLOW_TOTALS, &f->totals, sizeof(f->totals));
}
