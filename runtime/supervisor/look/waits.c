// SPDX-License-Identifier: Apache-2.0
/* Which argument of which system call is a time limit (syscalls(2)), and how each call goes on
 * after a thaw (signal(7), "Interruption of system calls", holds for the freezer too). */
#include "runtime/supervisor/look/waits.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

/* linux/io_uring.h may be older than the kernel. */
#define ENTER_EXT_ARG     (1u << 3)
#define ENTER_ABS_TIMER   (1u << 5)
#define ENTER_EXT_ARG_REG (1u << 6)

#define LIMIT_MOST_NS (UINT64_C(400) * 86400 * NS_PER_SEC) /* later than that is for ever */

int wait_line_parse(const char *text, struct wait_line *out)
{
	struct wait_line line = {0};
	char *end;

	if (strncmp(text, "running", 7) == 0) {
		line.running = true;
		*out = line;
		return 0;
	}
	line.number = strtol(text, &end, 10);
	if (end == text)
		return -EBADMSG;
	if (line.number < 0) { /* "-1 0xSTACK 0xPC" */
		line.stack = strtoull(end, &end, 16);
		*out = line;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(line.args); i++) {
		if (*end != ' ')
			return -EBADMSG;
		line.args[i] = strtoull(end, &end, 16);
	}
	if (*end != ' ')
		return -EBADMSG;
	line.stack = strtoull(end, &end, 16);
	*out = line;
	return 0;
}

/* How the limit is written. */
enum unit {
	UNIT_NONE,     /* none at all */
	UNIT_MS,       /* an int of milliseconds; negative = for ever */
	UNIT_TIMESPEC, /* the address of one; 0 = for ever */
	UNIT_TIMEVAL,
};

struct call {
	long number;
	const char *name;
	enum unit unit;
	uint8_t arg;
	enum wait_kind kind;
	bool on_fds;
	uint8_t count; /* 1 + the argument that says of how many descriptors; 0 = there is none */
};

static const struct call calls[] = {
	{SYS_epoll_pwait, "epoll_pwait", UNIT_MS, 3, WAIT_FOR, true},
	{SYS_epoll_pwait2, "epoll_pwait2", UNIT_TIMESPEC, 3, WAIT_FOR, true},
	{SYS_ppoll, "ppoll", UNIT_TIMESPEC, 2, WAIT_STRETCHED, true, 2},
	{SYS_pselect6, "pselect6", UNIT_TIMESPEC, 4, WAIT_STRETCHED, true, 1},
	{SYS_nanosleep, "nanosleep", UNIT_TIMESPEC, 0, WAIT_FOR_KEPT, false},
	{SYS_rt_sigtimedwait, "rt_sigtimedwait", UNIT_TIMESPEC, 2, WAIT_FOR, false},
	{SYS_semtimedop, "semtimedop", UNIT_TIMESPEC, 3, WAIT_FOR, false},
	{SYS_io_getevents, "io_getevents", UNIT_TIMESPEC, 4, WAIT_FOR, true},
	{SYS_read, "read", UNIT_NONE, 0, WAIT_FOREVER, true},
#ifdef SYS_epoll_wait
	{SYS_epoll_wait, "epoll_wait", UNIT_MS, 3, WAIT_FOR, true},
	{SYS_poll, "poll", UNIT_MS, 2, WAIT_FOR_KEPT, true, 2},
	{SYS_select, "select", UNIT_TIMEVAL, 4, WAIT_STRETCHED, true, 1},
#endif
};

/* ns of a limit, or LIMIT_MOST_NS for none. */
static uint64_t limit_ns(const struct wait_view *view, enum unit unit, uint64_t arg)
{
	uint64_t per_part = unit == UNIT_TIMEVAL ? NS_PER_US : 1;
	int64_t pair[2];

	if (unit == UNIT_MS)
		return (int32_t)arg < 0 ? LIMIT_MOST_NS : (uint64_t)(int32_t)arg * NS_PER_MS;
	if (unit == UNIT_NONE || arg == 0 || view->read_pair(view->ctx, arg, pair) < 0)
		return LIMIT_MOST_NS;
	if (pair[0] < 0 || pair[1] < 0)
		return 0;
	if ((uint64_t)pair[0] >= LIMIT_MOST_NS / NS_PER_SEC || (uint64_t)pair[1] >= NS_PER_SEC)
		return LIMIT_MOST_NS;
	return (uint64_t)pair[0] * NS_PER_SEC + (uint64_t)pair[1] * per_part;
}

static void set_relative(struct wait *w, enum wait_kind kind, uint64_t ns)
{
	w->kind = ns < LIMIT_MOST_NS ? kind : WAIT_FOREVER;
	w->ns = ns;
}

/* CLOCK_BOOTTIME goes on while the host is suspended, CLOCK_MONOTONIC does not; CLOCK_TAI is some
 * whole seconds ahead of CLOCK_REALTIME (clock_gettime(2)). */
static uint64_t now_of(const struct wait_view *view, int clock_id)
{
	switch (clock_id) {
	case CLOCK_MONOTONIC:
		return view->mono_ns;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		return view->boot_ns;
	case CLOCK_TAI:
		return view->tai_ns;
	default:
		return view->real_ns;
	}
}

/* Turns a point of another clock into one of CLOCK_MONOTONIC. Points of clocks that count from the
 * epoch are far above LIMIT_MOST_NS, so the seconds are subtracted first. */
static void set_absolute(struct wait *w, const struct wait_view *view, int clock_id,
			 uint64_t address)
{
	uint64_t now_ns = now_of(view, clock_id);
	int64_t pair[2], left_s;

	if (address == 0 || view->read_pair(view->ctx, address, pair) < 0 || pair[1] < 0 ||
	    (uint64_t)pair[1] >= NS_PER_SEC)
		return;
	if (__builtin_sub_overflow(pair[0], (int64_t)(now_ns / NS_PER_SEC), &left_s) ||
	    left_s > (int64_t)(LIMIT_MOST_NS / NS_PER_SEC))
		return;
	w->kind = WAIT_UNTIL;
	w->ns = view->mono_ns;
	if (left_s >= 0)
		w->ns += (uint64_t)left_s * NS_PER_SEC + (uint64_t)pair[1];
	w->ns -= left_s >= 0 ? now_ns % NS_PER_SEC : 0;
}

static void decode_clock_nanosleep(const struct wait_line *l, const struct wait_view *view,
				   struct wait *w)
{
	int clock_id = (int)l->args[0];

	w->name = "clock_nanosleep";
	if (clock_id < 0 || clock_id == CLOCK_PROCESS_CPUTIME_ID ||
	    clock_id == CLOCK_THREAD_CPUTIME_ID)
		return; /* CPU time stands still while it sleeps */
	if (l->args[1] & TIMER_ABSTIME)
		set_absolute(w, view, clock_id, l->args[2]);
	else
		set_relative(w, WAIT_FOR_KEPT, limit_ns(view, UNIT_TIMESPEC, l->args[2]));
}

static void decode_futex(const struct wait_line *l, const struct wait_view *view, struct wait *w)
{
	int op = (int)l->args[1] & FUTEX_CMD_MASK;
	int clock_id = l->args[1] & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;

	w->name = "futex";
	if (op == FUTEX_WAIT)
		set_relative(w, WAIT_FOR_KEPT, limit_ns(view, UNIT_TIMESPEC, l->args[3]));
	else if (op == FUTEX_WAIT_BITSET || op == FUTEX_WAIT_REQUEUE_PI)
		set_absolute(w, view, clock_id, l->args[3]);
	else if (op == FUTEX_LOCK_PI)
		set_absolute(w, view, CLOCK_REALTIME, l->args[3]);
}

#ifdef SYS_futex_waitv
static void decode_futex_waitv(const struct wait_line *l, const struct wait_view *view,
			       struct wait *w)
{
	w->name = "futex_waitv";
	set_absolute(w, view, (int)l->args[4], l->args[3]);
}
#endif

/* struct io_uring_getevents_arg: u64 sigmask, u32 sigmask_sz, u32 pad, u64 ts. */
static void decode_io_uring(const struct wait_line *l, const struct wait_view *view, struct wait *w)
{
	uint32_t flags = (uint32_t)l->args[3];
	int64_t pair[2];

	w->name = "io_uring_enter";
	w->on_fds = true;
	if (!(flags & ENTER_EXT_ARG) || (flags & ENTER_EXT_ARG_REG) || l->args[4] == 0 ||
	    view->read_pair(view->ctx, l->args[4] + 8, pair) < 0)
		return;
	if (flags & ENTER_ABS_TIMER)
		set_absolute(w, view, CLOCK_MONOTONIC, (uint64_t)pair[1]);
	else
		set_relative(w, WAIT_FOR, limit_ns(view, UNIT_TIMESPEC, (uint64_t)pair[1]));
}

static const struct special {
	long number;
	void (*decode)(const struct wait_line *l, const struct wait_view *view, struct wait *w);
} specials[] = {
	{SYS_futex, decode_futex},
	{SYS_clock_nanosleep, decode_clock_nanosleep},
	{SYS_io_uring_enter, decode_io_uring},
#ifdef SYS_futex_waitv
	{SYS_futex_waitv, decode_futex_waitv},
#endif
};

void wait_decode(const struct wait_line *line, const struct wait_view *view, struct wait *out)
{
	*out = (struct wait){.kind = WAIT_FOREVER, .name = ""};
	if (line->running)
		return;
	if (line->number == SYS_restart_syscall) {
		*out = (struct wait){.kind = WAIT_RESUMED, .name = "sleep", .on_fds = true};
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(specials); i++)
		if (specials[i].number == line->number)
			specials[i].decode(line, view, out);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		const struct call *c = &calls[i];

		if (c->number != line->number)
			continue;
		out->name = c->name;
		out->on_fds = c->on_fds && !(c->count > 0 && line->args[c->count - 1] == 0);
		set_relative(out, c->kind, limit_ns(view, c->unit, line->args[c->arg]));
	}
}
