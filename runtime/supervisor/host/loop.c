// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/base/turn.h"
#include "runtime/wire/records.h"

#define ROUND_EVENTS 64

struct loop {
	int epoll_fd, timer_fd;
	bool stopped;
	uint64_t now_ns, armed_ns; /* armed_ns: what the timerfd is set to, 0 = off */
	struct timer **heap;
	uint32_t heap_count, heap_capacity;
	struct epoll_event round[ROUND_EVENTS];
	int round_count;
	struct loop_health health;
	struct loop_reporter reporter;
	const char *note;
	uint64_t mark_ns, mark_cpu_ns; /* when the handler in hand began; CPU read then or before */
};

int loop_new(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct epoll_event event = {.events = EPOLLIN};
	int turn = l ? turn_set(TURN_OF_EBB_US) : -ENOMEM;

	if (turn < 0) {
		free(l);
		return turn;
	}
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->epoll_fd < 0 || l->timer_fd < 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &event) < 0) {
		int r = -errno;

		loop_free(l);
		return r;
	}
	l->now_ns = clock_mono_ns();
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	fd_close(&l->epoll_fd);
	fd_close(&l->timer_fd);
	free(l->heap);
	free(l);
}

/* ---- the watchdog ---- */

const struct loop_health *loop_health(const struct loop *l)
{
	return &l->health;
}

void loop_note(struct loop *l, const char *what)
{
	l->note = what;
}

void loop_report_to(struct loop *l, const struct loop_reporter *reporter)
{
	l->reporter = *reporter;
}

void loop_tell(struct loop *l, uint32_t kind, const char *text)
{
	if (l->reporter.say)
		l->reporter.say(l->reporter.self, kind, text);
}

static void mark(struct loop *l)
{
	l->mark_ns = clock_mono_ns();
	l->mark_cpu_ns = clock_thread_ns();
}

static void say_stall(struct loop *l, const char *name, uint64_t took_ns, uint64_t used_ns)
{
	char text[256];

	(void)text_format(text, sizeof(text),
			  "handler %s%s%s kept ebbd for %llu ms and used %llu ms of CPU",
			  name ? name : "?", l->note ? ", " : "", l->note ? l->note : "",
			  (unsigned long long)(took_ns / NS_PER_MS),
			  (unsigned long long)(used_ns / NS_PER_MS));
	log_warn("event=loop_stalled text=\"%s\"", text);
	loop_tell(l, WIRE_EVENT_LOOP_STALLED, text);
}

/* The handler that began at the mark returned. Its CPU time is asked for only when the clock says
 * that it may matter. So its figure may include handlers before it in this round, each of less than
 * a millisecond. */
static void check(struct loop *l, const char *name)
{
	struct loop_health *h = &l->health;
	uint64_t now_ns = clock_mono_ns(), took_ns = now_ns - l->mark_ns, cpu_ns, used_ns;

	l->mark_ns = now_ns;
	if (took_ns > h->longest_ns)
		h->longest_ns = took_ns;
	if (took_ns >= NS_PER_MS) {
		cpu_ns = clock_thread_ns();
		used_ns = cpu_ns - l->mark_cpu_ns;
		l->mark_cpu_ns = cpu_ns;
		if (used_ns > took_ns)
			used_ns = took_ns;
		if (used_ns > h->longest_cpu_ns)
			h->longest_cpu_ns = used_ns;
		h->stalls += used_ns > LOOP_STALL_NS;
		if (took_ns > LOOP_STALL_NS) {
			h->delays++;
			say_stall(l, name, took_ns, used_ns);
			mark(l); /* saying it is not the next one's fault */
		}
	}
	l->note = NULL;
}

/* ---- timers: a binary heap by due time ---- */

static void heap_put(struct loop *l, uint32_t i, struct timer *t)
{
	l->heap[i] = t;
	t->place = i + 1;
}

static void heap_up(struct loop *l, uint32_t i)
{
	struct timer *t = l->heap[i];

	while (i > 0 && l->heap[(i - 1) / 2]->due_ns > t->due_ns) {
		heap_put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, uint32_t i)
{
	struct timer *t = l->heap[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= l->heap_count)
			break;
		if (child + 1 < l->heap_count &&
		    l->heap[child + 1]->due_ns < l->heap[child]->due_ns)
			child++;
		if (l->heap[child]->due_ns >= t->due_ns)
			break;
		heap_put(l, i, l->heap[child]);
		i = child;
	}
	heap_put(l, i, t);
}

int loop_timer_at(struct loop *l, struct timer *t, uint64_t due_ns)
{
	must(t->on_due);
	must(t->place == 0 || l->heap[t->place - 1] == t);
	if (t->place == 0) {
		if (l->heap_count == l->heap_capacity) {
			uint32_t capacity = l->heap_capacity ? 2 * l->heap_capacity : 64;
			struct timer **heap = realloc(l->heap, capacity * sizeof(struct timer *));

			if (!heap)
				return -ENOMEM;
			l->heap = heap;
			l->heap_capacity = capacity;
		}
		heap_put(l, l->heap_count++, t);
	}
	t->due_ns = due_ns;
	heap_up(l, t->place - 1);
	heap_down(l, t->place - 1);
	return 0;
}

void loop_timer_off(struct loop *l, struct timer *t)
{
	uint32_t i = t->place;
	struct timer *last;

	if (i == 0)
		return;
	must(i <= l->heap_count && l->heap[i - 1] == t); /* of this loop, and not moved in memory */
	t->place = 0;
	last = l->heap[--l->heap_count];
	if (last == t)
		return;
	heap_put(l, i - 1, last);
	heap_up(l, i - 1);
	heap_down(l, last->place - 1);
}

static void fire_due(struct loop *l)
{
	while (l->heap_count > 0 && l->heap[0]->due_ns <= l->now_ns) {
		struct timer *t = l->heap[0];
		const char *name = t->name; /* it may be gone behind its handler */

		loop_timer_off(l, t);
		t->on_due(t);
		check(l, name);
	}
}

/* Sets the timerfd to the first timer, or turns it off. */
static void arm(struct loop *l)
{
	uint64_t due_ns = l->heap_count > 0 ? l->heap[0]->due_ns : 0;
	struct itimerspec at = {.it_value = {.tv_sec = (time_t)(due_ns / NS_PER_SEC),
					     .tv_nsec = (long)(due_ns % NS_PER_SEC)}};

	if (due_ns == l->armed_ns)
		return;
	must(timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
	l->armed_ns = due_ns;
}

/* ---- descriptors ---- */

static int control(struct loop *l, int op, struct watch *w, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = w};

	return epoll_ctl(l->epoll_fd, op, w->fd, &event) < 0 ? -errno : 0;
}

int loop_watch(struct loop *l, struct watch *w, uint32_t epoll_events)
{
	must(w->on_ready);
	return control(l, EPOLL_CTL_ADD, w, epoll_events);
}

int loop_rewatch(struct loop *l, struct watch *w, uint32_t epoll_events)
{
	must(w->fd >= 0);
	return control(l, EPOLL_CTL_MOD, w, epoll_events);
}

void loop_unwatch(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	(void)control(l, EPOLL_CTL_DEL, w, 0);
	for (int i = 0; i < l->round_count; i++)
		if (l->round[i].data.ptr == w)
			l->round[i].events = 0;
}

static void drain_timer(struct loop *l)
{
	uint64_t expirations;

	if (read(l->timer_fd, &expirations, sizeof(expirations)) > 0)
		l->armed_ns = 0;
}

int loop_run(struct loop *l)
{
	while (!l->stopped) {
		arm(l);
		l->round_count = epoll_wait(l->epoll_fd, l->round, ROUND_EVENTS, -1);
		if (l->round_count < 0 && errno != EINTR)
			return -errno;
		mark(l);
		l->now_ns = l->mark_ns;
		must(l->round_count <= ROUND_EVENTS);
		for (int i = 0; i < l->round_count; i++) {
			struct watch *w = l->round[i].data.ptr;
			const char *name = w && l->round[i].events ? w->name : "timers";

			if (!w)
				drain_timer(l);
			else if (l->round[i].events)
				w->on_ready(w, l->round[i].events);
			check(l, name);
		}
		l->round_count = 0;
		fire_due(l);
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}
