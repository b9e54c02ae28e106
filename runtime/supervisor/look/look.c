// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/look/look.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/look/waits.h"

#define NOTES_FIRST 16  /* room for so many; then twice as many, up to LOOK_THREADS_MAX */
#define TICK_SLACK  4   /* ticks differ by a quarter at most */
#define STATES_MAX  256 /* threads looked at for one in a state */

/* A wait with a time limit, as the look before saw it. */
struct note {
	pid_t tid;
	uint64_t slices; /* how often the thread was put on a CPU; as before: it did not run */
	uint64_t args[4], stack;
	uint64_t looked_ns, from_ns, to_ns, length_ns;
	bool brief, ticks; /* it ends soon; and one like it had come before */
	bool longer, rest; /* than the limit of a tick; such a one came right before */
};

/* In the order of the threads, which the kernel keeps. */
struct look_notes {
	uint32_t count, room;
	struct note at[];
};

enum part { PART_THREADS, PART_PROCESSES };

/* A look under way. It keeps what it saw between its parts. */
struct look_run {
	struct look_request request;
	const struct look_request *q; /* the same */
	struct wait_view view;        /* the clocks when this part began */
	const struct look_notes *old;
	uint32_t cursor;          /* where the next one of them is looked for first */
	struct look_notes *fresh; /* NULL: none */
	struct look seen, *look;
	bool on_fds, brief; /* somebody waits for descriptors; for a short time */
	enum part part;
	uint32_t count, at; /* of ids: threads, then processes */
	uint32_t calls;     /* in this part; all parts: seen.calls */
	struct fd_walk walk;
	struct own_files own;
	pid_t ids[LOOK_THREADS_MAX];
};

static int read_pair(void *ctx, uint64_t address, int64_t out[2])
{
	struct iovec here = {.iov_base = out, .iov_len = 2 * sizeof(*out)};
	struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = here.iov_len};
	ssize_t n = process_vm_readv(*(const pid_t *)ctx, &here, 1, &there, 1, 0);

	return n == (ssize_t)here.iov_len ? 0 : -EFAULT;
}

/* One read: the kernel makes the whole of these files at once. */
static int read_proc(pid_t tid, const char *file, char *text, size_t size)
{
	SCOPED_FD fd = -1;
	char path[48];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (n <= 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

/* "ns on a CPU, ns waiting for one, times put on one"; 0 on kernels that do not count. */
static uint64_t slices_of(pid_t tid)
{
	char text[96], *last;

	if (read_proc(tid, "schedstat", text, sizeof(text)) < 0)
		return 0;
	last = strrchr(text, ' ');
	return last ? strtoull(last, NULL, 10) : 0;
}

static const struct note *find(struct look_run *g, pid_t tid)
{
	uint32_t count = g->old ? g->old->count : 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = (g->cursor + i) % count;

		if (g->old->at[n].tid == tid) {
			g->cursor = n + 1;
			return &g->old->at[n];
		}
	}
	return NULL;
}

/* NULL without memory: then this sleep is unknown after the next thaw, and late. */
static struct note *new_note(struct look_run *g)
{
	struct look_notes *notes = g->fresh;
	uint32_t room = notes ? notes->room : 0;

	if (!notes || notes->count == room) {
		room = room ? 2 * room : NOTES_FIRST;
		notes = realloc(g->fresh, sizeof(*notes) + room * sizeof(notes->at[0]));
		if (!notes)
			return NULL;
		if (!g->fresh)
			notes->count = 0;
		notes->room = room;
		g->fresh = notes;
	}
	must(notes->count < notes->room);
	return &notes->at[notes->count++];
}

static bool same_call(const struct note *n, const struct wait_line *l)
{
	return n->stack == l->stack && memcmp(n->args, l->args, sizeof(n->args)) == 0;
}

static void keep_soonest(struct look_due *best, const struct look_due *due, bool by_from)
{
	if (by_from ? due->from_ns < best->from_ns : due->to_ns < best->to_ns)
		*best = *due;
}

static void take_in(struct look_run *g, const struct look_due *due)
{
	keep_soonest(&g->look->first, due, true);
	keep_soonest(&g->look->soon, due, false);
}

/* Whether two waits in a row are of one length: the rests of longer timers differ. 0: not known. */
static bool alike(uint64_t a_ns, uint64_t b_ns)
{
	uint64_t most_ns = a_ns > b_ns ? a_ns : b_ns, least_ns = a_ns > b_ns ? b_ns : a_ns;

	return least_ns == 0 || most_ns - least_ns <= most_ns / TICK_SLACK;
}

/* Whether a brief wait is one more of the kind that this thread ended with before. */
static bool is_tick(struct look_run *g, const struct note *before, bool same, bool brief,
		    uint64_t length_ns)
{
	g->brief |= brief;
	if (!g->q->housekeeping || !brief || !before)
		return false;
	if (before->ticks && !g->q->verify)
		return true;
	if (same)
		return before->ticks && before->looked_ns > g->q->quiet_since_ns;
	return before->brief && !before->rest && before->looked_ns > g->q->quiet_since_ns &&
	       alike(before->length_ns, length_ns);
}

/* brief: the wait is short as a whole; a wait that is over soon is noted as brief, too. A wait
 * behind a longer one may be the rest of that one, which comes in steps (tokio's wheel of timers:
 * to a multiple of 64 ms, then to the millisecond). */
static void write_note(struct look_run *g, pid_t tid, const struct wait_line *line, uint64_t slices,
		       const struct look_due *due, const struct note *before, bool same, bool ticks,
		       bool brief)
{
	struct note *n = new_note(g);

	if (!n)
		return;
	*n = (struct note){.tid = tid,
			   .brief = brief || due->to_ns - g->view.mono_ns < LOOK_BRIEF_NS ||
				    due->to_ns < g->view.mono_ns,
			   .ticks = ticks,
			   .longer = !brief,
			   .rest = before && (same ? before->rest : before->longer),
			   .slices = slices,
			   .stack = line->stack,
			   .looked_ns = g->view.mono_ns,
			   .from_ns = due->from_ns,
			   .to_ns = due->to_ns,
			   .length_ns = due->length_ns};
	memcpy(n->args, line->args, sizeof(n->args));
}

/* Whether the thread is still in the sleep that was noted. */
static bool still_there(const struct look_run *g, const struct note *before,
			const struct wait_line *line, uint64_t slices)
{
	if (g->q->frozen)
		return same_call(before, line);
	return slices > 0 && before->slices == slices;
}

/* The wait began after the last thaw and, if the thread ran since the look before, after that look;
 * and it is not over yet. If the thread did not run, the moments that were noted still hold. */
static void take_relative(struct look_run *g, pid_t tid, const struct wait_line *line,
			  const struct wait *w)
{
	uint64_t now_ns = g->view.mono_ns, slices = slices_of(tid), began_ns = g->q->since_ns;
	const struct note *before = find(g, tid);
	struct look_due due = {
		.to_ns = now_ns + w->ns, .length_ns = w->ns, .tid = tid, .what = w->name};
	bool same = before && still_there(g, before, line, slices), brief, ticks;

	if (before && !same && slices > 0 && before->looked_ns > began_ns)
		began_ns = before->looked_ns;
	due.from_ns = began_ns + w->ns > now_ns ? began_ns + w->ns : now_ns;
	if (same) {
		due.from_ns = before->from_ns;
		due.to_ns = before->to_ns;
	}
	brief = w->ns < LOOK_BRIEF_NS || (w->kind == WAIT_STRETCHED && w->ns <= LOOK_STRETCH_NS);
	ticks = is_tick(g, before, same, brief, w->ns);
	write_note(g, tid, line, slices, &due, before, same, ticks, brief);
	/* A limited wait for descriptors that a freeze would stretch: only staying awake for ever
	 * would serve it, because the next such wait follows it. */
	if (ticks || (g->q->housekeeping && w->kind == WAIT_STRETCHED && w->on_fds)) {
		keep_soonest(&g->look->tick, &due, false);
		return;
	}
	if (w->kind == WAIT_STRETCHED)
		keep_soonest(&g->look->stretched, &due, false);
	else
		take_in(g, &due);
	if (w->kind == WAIT_FOR_KEPT)
		keep_soonest(&g->look->kept, &due, true);
}

/* Notes a wait of unknown length: the next one may be the rest of it. */
static void write_unknown(struct look_run *g, pid_t tid)
{
	struct note *n = new_note(g);

	if (n)
		*n = (struct note){.tid = tid, .longer = true, .looked_ns = g->view.mono_ns};
}

static void take_resumed(struct look_run *g, pid_t tid, const struct wait_line *line,
			 const struct wait *w)
{
	const struct note *before = find(g, tid);
	struct look_due due = {.tid = tid, .what = w->name};

	if (!before || !same_call(before, line) || before->to_ns < g->view.mono_ns) {
		/* Nobody saw it begin; it ends on its own once the instance is awake. */
		write_unknown(g, tid);
		return;
	}
	due.from_ns = before->from_ns;
	due.to_ns = before->to_ns;
	due.length_ns = before->length_ns;
	write_note(g, tid, line, before->slices, &due, before, true, before->ticks,
		   !before->longer);
	if (g->q->housekeeping && before->ticks) {
		keep_soonest(&g->look->tick, &due, false);
		return;
	}
	take_in(g, &due);
	keep_soonest(&g->look->kept, &due, true);
}

/* Waits until a point of time come back as resumed, too, so they are noted. */
static void take_absolute(struct look_run *g, pid_t tid, const struct wait_line *line,
			  const struct wait *w)
{
	struct look_due due = {.from_ns = w->ns, .to_ns = w->ns, .tid = tid, .what = w->name};
	const struct note *before = find(g, tid);
	uint64_t slices = g->q->housekeeping ? slices_of(tid) : 0, began_ns = g->q->since_ns;
	bool same = before && still_there(g, before, line, slices), brief, ticks;

	/* The length cannot be seen. If the thread ran, the wait began after the look before. */
	if (before && !same && slices > 0 && before->looked_ns > began_ns)
		began_ns = before->looked_ns;
	ticks = is_tick(g, before, same,
			(before && before->ticks) ? due.to_ns < g->view.mono_ns + LOOK_BRIEF_NS
						  : due.to_ns < began_ns + LOOK_BRIEF_NS,
			0);
	brief = due.to_ns < g->view.mono_ns + LOOK_BRIEF_NS;
	g->brief |= brief;
	write_note(g, tid, line, slices, &due, before, same, ticks, brief);
	if (ticks)
		keep_soonest(&g->look->tick, &due, false);
	else
		take_in(g, &due);
}

/* The thread may be on its way back into a sleep that was noted. */
static void look_at_running(struct look_run *g, pid_t tid)
{
	const struct note *before = find(g, tid);
	struct note *n = before ? new_note(g) : NULL;

	g->look->running_tid = tid;
	if (n)
		*n = *before;
}

/* A thread of Node's own, which runs delayed work of V8 alone; timers of programs are in other
 * threads. Node names it since 22. A program that gives its own thread this name makes its own
 * timers late. */
static bool is_housekeeper(const struct look_run *g, pid_t tid)
{
	char name[32];

	return g->q->by_name && read_proc(tid, "comm", name, sizeof(name)) == 0 &&
	       strcmp(name, "DelayedTaskSche\n") == 0;
}

static void look_at_thread(struct look_run *g, pid_t tid)
{
	struct wait_line line;
	struct wait w;
	char text[256];

	if (read_proc(tid, "syscall", text, sizeof(text)) < 0 || wait_line_parse(text, &line) < 0)
		return; /* it ended */
	g->view.ctx = &tid;
	wait_decode(&line, &g->view, &w);
	g->on_fds |= w.on_fds;
	if (line.running)
		look_at_running(g, tid);
	else if (w.kind == WAIT_UNTIL)
		take_absolute(g, tid, &line, &w);
	else if (w.kind == WAIT_RESUMED)
		take_resumed(g, tid, &line, &w);
	else if (w.kind != WAIT_FOREVER && !is_housekeeper(g, tid))
		take_relative(g, tid, &line, &w);
}

static bool used_up(const struct look_run *g)
{
	return g->calls >= LOOK_PART_CALLS || clock_mono_ns() - g->view.mono_ns >= LOOK_PART_NS;
}

static void paid(struct look_run *g, uint32_t calls)
{
	g->calls += calls;
	g->look->calls += calls;
	g->look->crowded |= g->look->calls >= LOOK_CALLS_MAX;
}

/* Descriptors matter while somebody may wait for them, and while they may hold locks. False: the
 * process has more of them than there is room for in this part. */
static bool look_at_descriptors(struct look_run *g, pid_t pid)
{
	struct look_due due = {.from_ns = LOOK_NEVER, .to_ns = LOOK_NEVER, .what = ""};
	uint32_t calls = 1;

	if (g->q->frozen && !g->on_fds)
		return true;
	if (g->walk.dir_fd < 0)
		fd_walk_begin(&g->walk, pid);
	while (calls > 0 && !g->look->crowded && !used_up(g)) {
		calls = look_fd(&g->walk, g->q, &g->own, g->view.mono_ns, &due, &g->look->tick,
				&g->look->lock);
		paid(g, calls);
	}
	take_in(g, &due);
	if (calls > 0 && !g->look->crowded)
		return false;
	fd_walk_end(&g->walk);
	return true;
}

static bool look_at_process(struct look_run *g, pid_t pid)
{
	if (!look_at_descriptors(g, pid))
		return false;
	if (g->look->unknown_pid == 0 && look_signal_timer(pid))
		g->look->unknown_pid = pid;
	if (g->q->housekeeping && (g->brief || g->look->tick.to_ns != LOOK_NEVER))
		look_io_add(pid, &g->look->io);
	paid(g, 9);
	return true;
}

/* Lists the members of the cgroup, one kind after the other. */
static int list(struct look_run *g, enum part part)
{
	int n = part == PART_THREADS ? cgroup_threads(g->q->cgroup, g->ids, LOOK_THREADS_MAX)
				     : cgroup_processes(g->q->cgroup, g->ids, LOOK_THREADS_MAX);

	if (n < 0)
		return n;
	g->part = part;
	g->at = 0;
	g->count = (uint32_t)n;
	must(g->count <= LOOK_THREADS_MAX);
	g->look->crowded |= n == LOOK_THREADS_MAX;
	paid(g, 3 + g->count / 16);
	return 0;
}

static struct look_run *begin(const struct look_request *q, const struct look_notes *old)
{
	const struct look_due never = {.from_ns = LOOK_NEVER, .to_ns = LOOK_NEVER, .what = ""};
	struct look_run *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->request = *q;
	g->q = &g->request;
	g->old = old;
	g->look = &g->seen;
	g->walk.dir_fd = -1;
	g->seen = (struct look){
		.first = never, .soon = never, .stretched = never, .tick = never, .kept = never};
	return g;
}

/* 1: there is more; 0: that was all; or -errno. */
static int go_on(struct look_run *g)
{
	int r = 0;

	while (!g->look->crowded && !used_up(g)) {
		must(g->at <= g->count);
		if (g->at < g->count && g->part == PART_THREADS) {
			look_at_thread(g, g->ids[g->at++]);
			paid(g, 6);
		} else if (g->at < g->count) {
			g->at += look_at_process(g, g->ids[g->at]);
		} else if (g->part == PART_THREADS) {
			r = list(g, PART_PROCESSES);
			if (r < 0)
				return r;
		} else {
			return 0;
		}
	}
	return !g->look->crowded;
}

static uint64_t clock_now(clockid_t id)
{
	struct timespec t;

	must(clock_gettime(id, &t) == 0);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

int look_some(struct look_run **run, const struct look_request *q, struct look_notes **notes,
	      struct look *out)
{
	struct look_run *g = *run ? *run : begin(q, *notes);
	bool fresh = !*run;
	int r = 0;

	if (!g)
		return -ENOMEM;
	g->calls = 0;
	g->view = (struct wait_view){.mono_ns = clock_mono_ns(),
				     .real_ns = clock_real_us() * NS_PER_US,
				     .boot_ns = clock_now(CLOCK_BOOTTIME),
				     .tai_ns = clock_now(CLOCK_TAI),
				     .read_pair = read_pair};
	*run = g;
	if (fresh) {
		r = list(g, PART_THREADS);
		g->look->threads = g->count;
	}
	if (r == 0)
		r = go_on(g);
	if (r > 0)
		return r;
	*run = NULL;
	if (r == 0) {
		*out = g->seen;
		free(*notes);
		*notes = g->fresh;
		g->fresh = NULL;
	}
	look_run_free(g);
	return r;
}

void look_run_free(struct look_run *run)
{
	if (!run)
		return;
	fd_walk_end(&run->walk);
	free(run->fresh);
	free(run);
}

/* "812 (name) D ..."; the name may hold anything. */
static char state_of(pid_t tid)
{
	char text[512], *end;

	if (read_proc(tid, "stat", text, sizeof(text)) < 0)
		return '\0';
	end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : '\0';
}

static pid_t first_in(const struct cgroup *g, const char *states)
{
	pid_t ids[STATES_MAX];
	int n = cgroup_threads(g, ids, STATES_MAX);

	for (int i = 0; i < n; i++) {
		char state = state_of(ids[i]);

		if (state && strchr(states, state))
			return ids[i];
	}
	return 0;
}

pid_t look_stuck(const struct cgroup *g)
{
	return first_in(g, "D");
}

pid_t look_at_work(const struct cgroup *g)
{
	return first_in(g, "RD");
}

void look_notes_free(struct look_notes *notes)
{
	free(notes);
}
