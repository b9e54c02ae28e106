// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/tell.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* Calls `what` of each observer that has it. */
#define TELL(fleet, what, ...)                                    \
	for (uint32_t n_ = 0; n_ < (fleet)->observer_count; n_++) \
		if ((fleet)->observers[n_].what)                  \
	(fleet)->observers[n_].what((fleet)->observers[n_].self, __VA_ARGS__)

void tell_up(struct instance *i)
{
	must(instance_is_up(i));
	TELL(i->fleet, up, i);
}

void tell_drain(struct instance *i, bool all)
{
	TELL(i->fleet, drain, i, all);
}

void tell_down(struct instance *i)
{
	must(!instance_is_up(i));
	TELL(i->fleet, down, i);
}

void tell_start_failed(struct fleet *f, const struct wire_start_failed *record)
{
	TELL(f, start_failed, record);
}

void tell_meter(struct fleet *f, struct wire_meter *record)
{
	must(record->awake_us <= record->lived_us);
	TELL(f, meter, record);
}

void tell_event(struct fleet *f, const struct wire_event *record)
{
	TELL(f, event, record);
}

void tell_starts(struct fleet *f, bool can)
{
	TELL(f, starts, can);
}

void tell_emptied(struct fleet *f)
{
	must(f->stopping && f->count == 0);
	for (uint32_t n = 0; n < f->observer_count; n++)
		if (f->observers[n].emptied)
			f->observers[n].emptied(f->observers[n].self);
}

bool tell_kept_up(const struct fleet *f)
{
	for (uint32_t n = 0; n < f->observer_count; n++)
		if (f->observers[n].keeps_up && !f->observers[n].keeps_up(f->observers[n].self))
			return false;
	return true;
}

void tell_announce(struct instance *i)
{
	if (i->announced)
		return;
	i->announced = true;
	instance_say(i, WIRE_EVENT_INSTANCE_STARTING, "%s", i->why);
	TELL(i->fleet, announced, i);
}

static void __attribute__((format(printf, 3, 0)))
say(struct fleet *f, struct wire_event *record, const char *fmt, va_list ap)
{
	record->when_us = clock_real_us();
	vsnprintf(record->text, sizeof(record->text), fmt, ap);
	tell_event(f, record);
}

void instance_say(struct instance *i, uint32_t event_kind, const char *fmt, ...)
{
	struct wire_event record = {.kind = event_kind, .unready = !i->was_ready};
	va_list ap;

	(void)text_copy(record.service, sizeof(record.service), i->spec->put.name);
	(void)text_copy(record.instance, sizeof(record.instance), i->id);
	va_start(ap, fmt);
	say(i->fleet, &record, fmt, ap);
	va_end(ap);
}

void service_say(struct fleet *f, const struct service *service, uint32_t event_kind,
		 const char *fmt, ...)
{
	struct wire_event record = {.kind = event_kind};
	va_list ap;

	(void)text_copy(record.service, sizeof(record.service), service->name);
	va_start(ap, fmt);
	say(f, &record, fmt, ap);
	va_end(ap);
}
