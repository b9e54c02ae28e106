// SPDX-License-Identifier: Apache-2.0
/* Records to ebb-api: answers, events, and what it needs for ebb-flow. */
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/apilink_inside.h"

void apilink_answer(struct apilink *a, uint64_t cookie, int error, const char *text)
{
	struct wire_result result = {.cookie = cookie, .err = -error};

	(void)text_copy(result.text, sizeof(result.text), text);
	daemon_send(&a->daemon, WIRE_RESULT, &result, sizeof(result), NULL, 0);
}

void apilink_event(void *self, const struct wire_event *record)
{
	struct apilink *a = self;
	char text[2 * ERROR_TEXT_SIZE];

	log_at(record->kind == WIRE_EVENT_INSTANCE_FAILED ? LOG_WARN_LEVEL : LOG_INFO_LEVEL,
	       "event=%s service=%s instance=%s text=%s", wire_event_kind_name(record->kind),
	       record->service, record->instance, log_quote(text, sizeof(text), record->text));
	daemon_send(&a->daemon, WIRE_EVENT, record, sizeof(*record), NULL, 0);
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
