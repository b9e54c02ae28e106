// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/deed.h"

/* Calls `what` of each observer that has it. */
#define TELL(ground, what, ...)                                    \
	for (uint32_t n_ = 0; n_ < (ground)->observer_count; n_++) \
		if ((ground)->observers[n_].what)                  \
	(ground)->observers[n_].what((ground)->observers[n_].self, __VA_ARGS__)

void tell_born(struct instance *i)
{
	must(!instance_is_up(i));
	TELL(i->ground, born, i);
}

void tell_up(struct instance *i)
{
	must(instance_is_up(i));
	TELL(i->ground, up, i);
}

void tell_drain(struct instance *i, bool all)
{
	TELL(i->ground, drain, i, all);
}

/* A gateway that starts now hears nothing of them: the end was told. */
static void close_bindings(struct instance *i)
{
	int fds[BINDINGS_MAX];

	memcpy(fds, i->binding_fds, sizeof(fds));
	memset(i->binding_fds, 0xff, sizeof(i->binding_fds)); /* -1 each */
	deed_write(i); /* no row names them when they are closed */
	for (uint32_t n = 0; n < BINDINGS_MAX; n++)
		fd_close(&fds[n]);
}

void tell_down(struct instance *i)
{
	must(!instance_is_up(i));
	TELL(i->ground, down, i);
	close_bindings(i);
}

void tell_start_failed(struct ground *g, const struct wire_start_failed *record)
{
	TELL(g, start_failed, record);
}

void tell_meter(struct ground *g, struct wire_meter *record)
{
	must(record->awake_us <= record->lived_us);
	TELL(g, meter, record);
}

void tell_event(struct ground *g, const struct wire_event *record)
{
	TELL(g, event, record);
}

void tell_starts(struct ground *g, bool can)
{
	TELL(g, starts, can);
}

void tell_mixed(struct ground *g, bool on)
{
	TELL(g, mixed, on);
}

void tell_drained(struct ground *g)
{
	must(g->count == 0);
	for (uint32_t n = 0; n < g->observer_count; n++)
		if (g->observers[n].drained)
			g->observers[n].drained(g->observers[n].self);
}

void tell_emptied(struct ground *g)
{
	must(g->count == 0);
	for (uint32_t n = 0; n < g->observer_count; n++)
		if (g->observers[n].emptied)
			g->observers[n].emptied(g->observers[n].self);
}

bool tell_kept_up(const struct ground *g)
{
	for (uint32_t n = 0; n < g->observer_count; n++)
		if (g->observers[n].keeps_up && !g->observers[n].keeps_up(g->observers[n].self))
			return false;
	return true;
}

void tell_announce(struct instance *i)
{
	if (i->announced)
		return;
	i->announced = true;
	instance_say(i, WIRE_EVENT_INSTANCE_STARTING, "%s", i->why);
	TELL(i->ground, announced, i);
}

void tell_adopted(struct instance *i)
{
	must(i->announced);
	TELL(i->ground, announced, i);
}

static void __attribute__((format(printf, 3, 0)))
say(struct ground *g, struct wire_event *record, const char *fmt, va_list ap)
{
	record->when_us = clock_real_us();
	vsnprintf(record->text, sizeof(record->text), fmt, ap);
	tell_event(g, record);
}

void instance_say(struct instance *i, uint32_t event_kind, const char *fmt, ...)
{
	struct wire_event record = {
		.kind = event_kind, .unready = !i->was_ready, .revision = i->spec->put.revision};
	va_list ap;

	(void)text_copy(record.service, sizeof(record.service), i->spec->put.name);
	(void)text_copy(record.instance, sizeof(record.instance), i->id);
	va_start(ap, fmt);
	say(i->ground, &record, fmt, ap);
	va_end(ap);
}

void service_say(struct ground *g, const struct service *service, uint32_t event_kind,
		 const char *fmt, ...)
{
	struct wire_event record = {.kind = event_kind};
	va_list ap;

	(void)text_copy(record.service, sizeof(record.service), service->name);
	va_start(ap, fmt);
	say(g, &record, fmt, ap);
	va_end(ap);
}
