// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/event_filter.h"
#include "runtime/api/handlers.h"
#include "runtime/api/known.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/services.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define EVENTS_KEPT       4096
#define WATCHERS_MAX      64
#define BACKLOG_BYTES_MAX (4u << 20)

struct watcher {
	struct request *rq; /* NULL: free */
	uint64_t from;      /* the number of the first event to show */
	bool sse;
	struct event_filter filter;
};

struct events_watch {
	uint64_t next_rev; /* the number of the event to come; 0: there was none yet */
	size_t count;
	struct wire_event ring[EVENTS_KEPT];
	struct watcher watchers[WATCHERS_MAX];
};

int events_watch_new(struct events_watch **out)
{
	struct events_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	*out = watch;
	return 0;
}

void events_watch_free(struct events_watch *watch)
{
	free(watch);
}

static void event_write(struct json_out *o, const char *key, const struct wire_event *e,
			uint64_t rev)
{
	char when[28];

	json_out_object(o, key);
	json_out_u64(o, "rev", rev);
	json_out_string(o, "time", clock_rfc3339(e->when_us, when));
	json_out_string(o, "kind", wire_event_kind_name(e->kind));
	json_out_string(o, "service", e->service);
	json_out_string(o, "instance", e->instance);
	json_out_string(o, "text", e->text);
	json_out_end_object(o);
}

static void send_event(const struct watcher *w, const struct wire_event *e, uint64_t rev)
{
	struct json_out o;
	char head[64];

	if (rev < w->from || !event_filter_takes(&w->filter, e))
		return;
	json_out_init(&o);
	event_write(&o, NULL, e, rev);
	if (o.failed || stream_backlog(w->rq) > BACKLOG_BYTES_MAX) {
		stream_abort(w->rq); /* it comes back with ?since= and misses nothing */
	} else if (w->sse) {
		snprintf(head, sizeof(head), "id: %" PRIu64 "\ndata: ", rev);
		stream_send(w->rq, head, strlen(head));
		stream_send(w->rq, o.text, o.length);
		stream_send(w->rq, "\n\n", 2);
	} else {
		stream_send(w->rq, o.text, o.length);
		stream_send(w->rq, "\n", 1);
	}
	json_out_fini(&o);
}

void events_watch_add(struct events_watch *watch, const struct wire_event *event)
{
	uint64_t rev = event->number;

	if (rev < watch->next_rev)
		return; /* known */
	if (rev != watch->next_rev)
		watch->count = 0;
	watch->next_rev = rev + 1;
	watch->ring[rev % EVENTS_KEPT] = *event;
	if (watch->count < EVENTS_KEPT)
		watch->count++;
	for (size_t i = 0; i < WATCHERS_MAX; i++)
		if (watch->watchers[i].rq)
			send_event(&watch->watchers[i], event, rev);
}

void events_watch_forget(struct events_watch *watch, const struct request *rq)
{
	for (size_t i = 0; i < WATCHERS_MAX; i++)
		if (watch->watchers[i].rq == rq)
			watch->watchers[i].rq = NULL;
}

/* The number of the last event. Those from before this process may still be on their way. */
static uint64_t newest(const struct api *api)
{
	uint64_t seen = api->watch->next_rev > 0 ? api->watch->next_rev - 1 : 0;

	return seen > api->config.events_given ? seen : api->config.events_given;
}

/* The number of the first event to show, from ?since= (the last event that the client saw) or
 * Last-Event-ID; `fallback` if the client gave neither. False after having answered. */
static bool first_wanted(struct request *rq, uint64_t fallback, uint64_t *out)
{
	const struct events_watch *watch = rq->api->watch;
	const struct http_header *last = http_find(&rq->head, "last-event-id");
	char text[24] = "";
	uint64_t since;
	int r = request_query(rq, "since", text, sizeof(text));

	if (r == 0 && last)
		r = text_format(text, sizeof(text), "%.*s", (int)last->value.size, last->value.at) <
				    0
			    ? -EINVAL
			    : 1;
	if (r == 0) {
		*out = fallback;
		return true;
	}
	if (r < 0 || text_parse_u64(text, 0, INT64_MAX, &since) < 0) {
		problem_reply(rq, 400, "give the rev of the last event seen",
			      "since: \"%s\" is not a number", text);
		return false;
	}
	if (since + 1 < watch->next_rev - watch->count || since > newest(rq->api)) {
		problem_reply(rq, 410,
			      "list services and instances again, then watch without since",
			      "events behind %" PRIu64 " are not kept any more", since);
		return false;
	}
	*out = since + 1;
	return true;
}

/* The name may be of a service or an instance that is gone: its events are still there. False after
 * having answered. */
static bool of_known(struct request *rq, const struct event_filter *filter)
{
	const struct events_watch *watch = rq->api->watch;
	struct event_filter any_kind = *filter;

	any_kind.kind = WIRE_EVENT_KIND_COUNT;
	if (!*filter->of || services_find(rq->api->services, filter->of))
		return true;
	for (uint64_t rev = watch->next_rev - watch->count; rev < watch->next_rev; rev++)
		if (event_filter_takes(&any_kind, &watch->ring[rev % EVENTS_KEPT]))
			return true;
	answer_no_source(rq, filter->of);
	return false;
}

void get_events(struct request *rq)
{
	const struct events_watch *watch = rq->api->watch;
	struct event_filter filter;
	struct json_out o;
	uint64_t rev;

	if (!first_wanted(rq, watch->next_rev - watch->count, &rev) ||
	    !event_filter_read(rq, &filter) ||
	    !(request_flag(rq, "follow") || of_known(rq, &filter)))
		return;
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_u64(&o, "rev", newest(rq->api));
	json_out_array(&o, "events");
	for (; rev < watch->next_rev; rev++)
		if (event_filter_takes(&filter, &watch->ring[rev % EVENTS_KEPT]))
			event_write(&o, NULL, &watch->ring[rev % EVENTS_KEPT], rev);
	json_out_end_array(&o);
	json_out_end_object(&o);
	reply_json(rq, 200, NULL, &o);
}

static struct watcher *free_place(struct events_watch *watch)
{
	for (size_t i = 0; i < WATCHERS_MAX; i++)
		if (!watch->watchers[i].rq)
			return &watch->watchers[i];
	return NULL;
}

void get_watch(struct request *rq)
{
	struct events_watch *watch = rq->api->watch;
	struct watcher *w = free_place(watch);
	struct event_filter filter;
	uint64_t rev;

	if (!w) {
		problem_reply(rq, 503, "end one of the others", "%d are watching already",
			      WATCHERS_MAX);
		return;
	}
	if (!first_wanted(rq, newest(rq->api) + 1, &rev) || !event_filter_read(rq, &filter))
		return;
	*w = (struct watcher){.rq = rq,
			      .from = rev,
			      .sse = request_accepts(rq, "text/event-stream"),
			      .filter = filter};
	stream_begin(rq, w->sse ? "text/event-stream" : "application/x-ndjson");
	for (; rev < watch->next_rev; rev++)
		send_event(w, &watch->ring[rev % EVENTS_KEPT], rev);
}
