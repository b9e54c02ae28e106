// SPDX-License-Identifier: Apache-2.0
/* Records to ebb-api: answers, events, and what it needs for ebb-flow. */
#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/apilink_inside.h"

void apilink_answer(struct apilink *a, uint64_t cookie, int error, const char *text)
{
	struct wire_result result = {.cookie = cookie, .err = -error};

	(void)text_copy(result.text, sizeof(result.text), text);
	daemon_send(&a->daemon, WIRE_RESULT, &result, sizeof(result), NULL, 0);
}

/* For the next ebb-api, and for the next ebbd. Returns its number, which no other one ever had. */
static uint64_t keep_event(struct apilink *a, const struct wire_event *record)
{
	struct estate *estate = a->options.host->estate;
	_Atomic uint64_t *given = &estate_words(estate)->events_given;
	struct wire_event row = *record;

	if (atomic_load(given) == 0)
		atomic_store(given, clock_real_us());
	row.number = atomic_load(given) + 1;
	must(row.number >> 53 == 0); /* JavaScript counts no further */
	estate_write(estate, ESTATE_EVENTS, row.number % EVENTS_KEPT_MAX, &row);
	atomic_store(given, row.number);
	return row.number;
}

void apilink_event(void *self, const struct wire_event *record)
{
	struct apilink *a = self;
	struct wire_event event = *record;
	char text[2 * ERROR_TEXT_SIZE];

	log_at(record->kind == WIRE_EVENT_INSTANCE_FAILED ? LOG_WARN_LEVEL : LOG_INFO_LEVEL,
	       "event=%s service=%s instance=%s text=%s", wire_event_kind_name(record->kind),
	       record->service, record->instance, log_quote(text, sizeof(text), record->text));
	event.number = keep_event(a, record);
	if (daemon_talks(&a->daemon) && a->daemon.link.phase == PHASE_SERVING)
		daemon_send(&a->daemon, WIRE_EVENT, &event, sizeof(event), NULL, 0);
}

/* An event that ebb-flow told ebb-api. No other kind is believed: ebbd itself tells the others. */
int apilink_on_event(void *self, struct wire_message *m)
{
	const struct wire_event *told = (const void *)m->record;
	struct wire_event event = {.when_us = told->when_us, .kind = told->kind};

	if (!text_terminated(told->service, sizeof(told->service)) ||
	    !text_terminated(told->instance, sizeof(told->instance)) ||
	    !text_terminated(told->text, sizeof(told->text)) || !wire_event_is_of_flow(told->kind))
		return -EPROTO;
	memcpy(event.service, told->service, sizeof(event.service));
	memcpy(event.instance, told->instance, sizeof(event.instance));
	memcpy(event.text, told->text, sizeof(event.text));
	apilink_event(self, &event);
	return 0;
}

/* To an ebb-api that has begun to serve. */
void apilink_events_again(struct apilink *a)
{
	const struct estate *estate = a->options.host->estate;
	uint64_t last = atomic_load(&estate_words(a->options.host->estate)->events_given);

	for (uint64_t n = last < EVENTS_KEPT_MAX ? 1 : last - EVENTS_KEPT_MAX + 1; n <= last; n++) {
		const struct wire_event *row =
			estate_read(estate, ESTATE_EVENTS, n % EVENTS_KEPT_MAX);
		struct wire_event event;

		if (!row || row->number != n)
			continue;
		event = *row;
		event.again = 1;
		daemon_send(&a->daemon, WIRE_EVENT, &event, sizeof(event), NULL, 0);
	}
}

void apilink_say(struct apilink *a, uint32_t kind, const char *service, const char *text)
{
	struct wire_event event = {.when_us = clock_real_us(), .kind = kind};

	(void)text_copy(event.service, sizeof(event.service), service);
	(void)text_copy(event.text, sizeof(event.text), text);
	apilink_event(a, &event);
}

/* The channel to ebb-flow. */
static void send_channel(struct apilink *a)
{
	if (a->configured && a->flow_fd >= 0)
		daemon_send(&a->daemon, WIRE_API_FLOW, NULL, 0, &a->flow_fd, 1);
}

void apilink_send_flow(struct apilink *a)
{
	if (a->zones_fd >= 0)
		daemon_send(&a->daemon, WIRE_API_ZONES, NULL, 0, &a->zones_fd, 1);
	send_channel(a);
}

void apilink_flow_channel(struct apilink *a, int fd)
{
	fd_close(&a->flow_fd);
	a->flow_fd = fd;
	send_channel(a);
}
