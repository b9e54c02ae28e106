// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define ROUND_EVENTS 64
/* Timers run in a row for so long at most, because thousands may be due at once. Then descriptors
 * get their turn. */
#define ROUND_TIMERS_NS (5 * NS_PER_MS)

struct loop {
	int epoll_fd, timer_fd;
	bool stopped, turning;
	int result;
	uint64_t now_ns, armed_ns; /* armed_ns: the moment that the timerfd is set to, 0 = off */
	struct heap timers;
	struct epoll_event round[ROUND_EVENTS];
	int round_count;
	void (*behind)(void *self);
	void *behind_self;
	/* the watchdog */
	struct loop_health health;
	void (*stalled)(void *self, const struct loop_stall *stall);
	void *stalled_self;
	const char *note;
	uint64_t mark_ns, mark_cpu_ns; /* start of the running handler; CPU then or before */
};

int loop_new(struct loop **out)
{
	/* Edge-triggered: the timerfd is never read, because setting it again clears its expiry
	 * (timerfd_create(2)). */
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	if (heap_reserve(&l->timers, LOOP_TIMERS_SURE) < 0) {
		free(l);
		return -ENOMEM;
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
	heap_fini(&l->timers);
	free(l);
}

int loop_fd(const struct loop *l)
{
	return l->epoll_fd;
}

void loop_behind(struct loop *l, void (*behind)(void *self), void *self)
{
	must(!l->behind);
	l->behind = behind;
	l->behind_self = self;
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

void loop_on_stall(struct loop *l, void (*stalled)(void *self, const struct loop_stall *stall),
		   void *self)
{
	l->stalled = stalled;
	l->stalled_self = self;
}

static void mark(struct loop *l)
{
	l->mark_ns = clock_mono_ns();
	l->mark_cpu_ns = clock_thread_ns();
}

static void say_stall(struct loop *l, const char *name, uint64_t took_ns, uint64_t used_ns)
{
	struct loop_stall stall = {
		.name = name ? name : "?", .note = l->note, .took_ns = took_ns, .used_ns = used_ns};

	l->health.delays++;
	if (l->stalled)
		l->stalled(l->stalled_self, &stall);
	mark(l); /* the report is no time of the next handler */
}

/* The handler that began at the mark has returned: measures it. The CPU time is read only when the
 * clock says that the handler may have been long. So the CPU time may include earlier handlers of
 * this round, each of which took less than a millisecond. */
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
		if (used_ns > h->longest_cpu_ns) {
			h->longest_cpu_ns = used_ns;
			h->longest_name = name ? name : "?";
			h->longest_note = l->note;
		}
		h->stalls += used_ns > LOOP_STALL_NS;
		if (took_ns > LOOP_STALL_NS)
			say_stall(l, name, took_ns, used_ns);
	}
	l->note = NULL;
}

/* Call this after each handler. */
static void handled(struct loop *l, const char *name)
{
	if (l->behind)
		l->behind(l->behind_self);
	check(l, name);
}

/* ---- timers ---- */

/* Sets the timerfd to the first timer, or turns it off. */
static void arm(struct loop *l)
{
	uint64_t first_ns = heap_first_key(&l->timers), due_ns = first_ns;
	struct itimerspec at;

	if (first_ns == HEAP_EMPTY)
		due_ns = 0;
	else if (first_ns == 0)
		due_ns = 1; /* 0 would turn it off */
	if (due_ns == l->armed_ns)
		return;
	at = (struct itimerspec){.it_value = {.tv_sec = (time_t)(due_ns / NS_PER_SEC),
					      .tv_nsec = (long)(due_ns % NS_PER_SEC)}};
	must(timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
	l->armed_ns = due_ns;
}

int loop_timer_at(struct loop *l, struct timer *t, uint64_t due_ns)
{
	int r;

	must(t->on_due);
	if (due_ns == HEAP_EMPTY)
		due_ns--;
	r = heap_put(&l->timers, &t->item, due_ns);
	if (r < 0)
		return r;
	t->due_ns = due_ns;
	if (!l->turning) /* another loop that watches loop_fd must hear of it */
		arm(l);
	return 0;
}

int loop_timer_by(struct loop *l, struct timer *t, uint64_t due_ns)
{
	return timer_is_armed(t) && t->due_ns <= due_ns ? 0 : loop_timer_at(l, t, due_ns);
}

void loop_timer_off(struct loop *l, struct timer *t)
{
	heap_remove(&l->timers, &t->item);
	if (!l->turning)
		arm(l);
}

/* Runs the timers that are due. Timers that are left over are still due, so the next round begins
 * at once. */
static void fire_due(struct loop *l)
{
	uint64_t until_ns = l->mark_ns + ROUND_TIMERS_NS;

	while (!l->stopped && l->mark_ns < until_ns && heap_first_key(&l->timers) <= l->now_ns) {
		struct timer *t = container_of(heap_first(&l->timers), struct timer, item);
		const char *name = t->name; /* the timer may be freed by its handler */

		loop_timer_off(l, t);
		t->on_due(t);
		handled(l, name);
	}
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

bool loop_has_more(const struct loop *l)
{
	for (int i = 0; i < l->round_count && !l->stopped; i++)
		if (l->round[i].data.ptr && l->round[i].events)
			return true;
	return false;
}

/* Handles the ready watches: those with `first`, or the others. */
static void handle(struct loop *l, bool first)
{
	for (int i = 0; i < l->round_count && !l->stopped; i++) {
		struct watch *w = l->round[i].data.ptr;
		uint32_t events = l->round[i].events;
		const char *name;

		if (!w)
			l->armed_ns = 0; /* the timerfd has expired and is not armed any more */
		if (!w || events == 0 || w->first != first)
			continue;
		name = w->name;
		l->round[i].events = 0;
		w->on_ready(w, events);
		handled(l, name);
	}
}

static int turn(struct loop *l, int timeout_ms)
{
	arm(l);
	l->round_count = epoll_wait(l->epoll_fd, l->round, ROUND_EVENTS, timeout_ms);
	if (l->round_count < 0 && errno != EINTR)
		return -errno;
	l->turning = true;
	mark(l);
	l->now_ns = l->mark_ns;
	handle(l, true);
	handle(l, false);
	l->round_count = 0;
	fire_due(l);
	l->turning = false;
	return 0;
}

int loop_turn(struct loop *l)
{
	int r = turn(l, 0);

	arm(l); /* so that loop_fd is readable when the next timer is due */
	return r;
}

int loop_run(struct loop *l)
{
	int r = 0;

	while (r == 0 && !l->stopped)
		r = turn(l, -1);
	return r < 0 ? r : l->result;
}

void loop_stop(struct loop *l, int result)
{
	l->stopped = true;
	l->result = result;
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}
