// SPDX-License-Identifier: Apache-2.0
/* waitUntil: work that outlives its answer. A request has one hold on the host (docs/interface.md),
 * so the host is told when the request's first ebb_work begins and when its last one ends. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

struct ebb_work {
	struct ebb *loop;
	struct ebb_work *next;
	struct ebb_timer deadline;
	uint64_t deadline_ms;
	void (*on_deadline)(struct ebb_work *work, void *ctx);
	void *ctx;
	bool over; /* its deadline has passed; the caller has yet to end it */
	char id[ID_CHARS + 1];
};

static bool others_of(const struct ebb *e, const char *id)
{
	for (const struct ebb_work *w = e->works; w; w = w->next)
		if (strcmp(w->id, id) == 0)
			return true;
	return false;
}

static void remove_work(struct ebb_work *work)
{
	struct ebb *e = work->loop;
	struct ebb_work **at = &e->works;

	while (*at && *at != work)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = work->next;
	if (!others_of(e, work->id))
		ipc_end(e, work->id);
}

static void on_deadline(struct ebb_timer *t)
{
	struct ebb_work *work = t->ctx;

	ebb_work_log(work, "ebb: work behind the answer was cut at its deadline");
	work->over = true;
	remove_work(work);
	if (work->on_deadline)
		work->on_deadline(work, work->ctx);
}

struct ebb_work *ebb_wait_until_begin(struct ebb_request *rq)
{
	struct ebb_work *work = calloc(1, sizeof(*work));

	if (!work)
		return NULL;
	work->loop = rq->loop;
	work->deadline_ms = rq->deadline_ms;
	work->deadline = (struct ebb_timer){.on_due = on_deadline, .ctx = work};
	memcpy(work->id, rq->id, sizeof(work->id));
	if (work->deadline_ms &&
	    ebb_timer_set(rq->loop, &work->deadline, deadline_in_ms(work->deadline_ms)) < 0) {
		free(work);
		return NULL;
	}
	if (!others_of(rq->loop, work->id))
		ipc_hold(rq->loop, work->id, work->deadline_ms);
	work->next = rq->loop->works;
	rq->loop->works = work;
	return work;
}

void ebb_wait_until_end(struct ebb_work *work)
{
	ebb_timer_off(work->loop, &work->deadline);
	remove_work(work);
	free(work);
}

void ebb_work_on_deadline(struct ebb_work *work, void (*fn)(struct ebb_work *work, void *ctx),
			  void *ctx)
{
	work->on_deadline = fn;
	work->ctx = ctx;
}

void ebb_work_log(const struct ebb_work *work, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_line(work->id, "%s", text);
}

/* Repeats all holds, because a new reader on the host knows of none. */
void works_hold_all(struct ebb *e)
{
	for (const struct ebb_work *w = e->works; w; w = w->next)
		ipc_hold(e, w->id, w->deadline_ms);
}
