// SPDX-License-Identifier: Apache-2.0
/* Waits of real processes, awake and frozen, and the cost of a look (printed, not asserted). */
#include "cgroup_rig.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include "runtime/supervisor/look/look.h"

static struct look look(const struct cgroup *g, uint64_t since_ns, bool frozen,
			struct look_notes **notes)
{
	struct look_request q = {
		.cgroup = g, .init_pid = getpid(), .since_ns = since_ns, .frozen = frozen};
	struct look_run *run = NULL;
	struct look l;
	int r;

	while ((r = look_some(&run, &q, notes, &l)) > 0)
		;
	assert_int_equal(r, 0);
	return l;
}

/* Until the child sleeps as expected: it needs a moment from its report to the system call. */
static struct look look_until(const struct cgroup *g, struct look_notes **notes, uint64_t since_ns,
			      uint64_t to_ms)
{
	uint64_t end_ns = clock_mono_ns() + DEADLINE_MS * NS_PER_MS;
	struct look l;

	do
		l = look(g, since_ns, false, notes);
	while ((l.running_tid > 0 || (l.soon.to_ns == LOOK_NEVER && to_ms > 0)) &&
	       clock_mono_ns() < end_ns);
	return l;
}

static void freeze(struct cgroup *g)
{
	uint64_t end_ns = clock_mono_ns() + DEADLINE_MS * NS_PER_MS;

	assert_int_equal(cgroup_freeze(g), 0);
	while (cgroup_frozen(g) != 1)
		assert_true(clock_mono_ns() < end_ns);
}

static void near(uint64_t ns, uint64_t from_ns, uint64_t to_ns)
{
	assert_true(ns >= from_ns);
	assert_true(ns <= to_ns);
}

static void run_poll(int go_fd, int result_fd)
{
	struct pollfd p = {.fd = go_fd, .events = POLLIN};

	report(result_fd, 0);
	poll(&p, 1, 60000);
}

/* Waits until the process is back in its sleep, which the kernel resumes as restart_syscall(2): a
 * look before that could take it for a new sleep. ebbd looks later, when the instance has been
 * quiet. */
static void wait_resumed(pid_t pid)
{
	uint64_t end_ns = clock_mono_ns() + DEADLINE_MS * NS_PER_MS;
	char path[64], text[256];

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	do {
		assert_true(clock_mono_ns() < end_ns);
		if (fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
			text[0] = '\0';
	} while (atoi(text) != SYS_restart_syscall);
}

static void a_sleep_keeps_its_end_over_freezes(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "poll", &roomy);
	struct look_notes *notes = NULL;
	uint64_t since_ns = clock_mono_ns(), seen_ns;
	struct child c = start_in(t, &g, run_poll);
	struct look l;

	(void)child_result(&c);
	l = look_until(&g, &notes, since_ns, 60000);
	seen_ns = clock_mono_ns();
	assert_int_equal(l.threads, 1);
	assert_int_equal(l.first.tid, c.pid);
	assert_string_equal(l.first.what, "poll");
	near(l.first.from_ns, since_ns, since_ns + 60 * NS_PER_SEC);
	near(l.first.to_ns, since_ns + 60 * NS_PER_SEC, seen_ns + 60 * NS_PER_SEC);
	for (int round = 0; round < 3; round++) {
		struct look before = l;

		freeze(&g);
		l = look(&g, since_ns, true, &notes);
		assert_int_equal(l.first.from_ns, before.first.from_ns);
		assert_int_equal(l.first.to_ns, before.first.to_ns);
		since_ns = clock_mono_ns();
		assert_int_equal(cgroup_thaw(&g), 0);
		wait_resumed(c.pid);
		l = look_until(&g, &notes, since_ns, 60000);
		assert_int_equal(l.kept.from_ns, before.first.from_ns);
		assert_int_equal(l.kept.to_ns, before.first.to_ns);
	}
	look_notes_free(notes);
	kill_and_remove(t, &g, &c);
}

static void run_named_epoll(int go_fd, int result_fd)
{
	struct epoll_event e;

	prctl(PR_SET_NAME, "DelayedTaskSchedulerWorker");
	report(result_fd, 0);
	epoll_wait(epoll_create1(EPOLL_CLOEXEC), &e, 1, 60000);
}

/* Unless timers are "fire", its waits are no timers of the program. */
static void a_thread_in_which_node_does_v8s_work_has_no_timers(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "epoll", &roomy);
	uint64_t since_ns = clock_mono_ns();
	struct look_request q = {
		.cgroup = &g, .init_pid = getpid(), .since_ns = since_ns, .by_name = true};
	struct look_notes *notes = NULL;
	struct child c = start_in(t, &g, run_named_epoll);
	struct look_run *run = NULL;
	struct look l;

	(void)child_result(&c);
	l = look_until(&g, &notes, since_ns, 60000);
	assert_int_equal(l.first.tid, c.pid);
	while (look_some(&run, &q, &notes, &l) > 0)
		;
	assert_int_equal(l.threads, 1);
	assert_true(l.first.from_ns == LOOK_NEVER);
	look_notes_free(notes);
	kill_and_remove(t, &g, &c);
}

static void run_timerfd(int go_fd, int result_fd)
{
	struct itimerspec at = {.it_value = {.tv_sec = 30}};
	struct pollfd p = {.fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC), .events = POLLIN};

	timerfd_settime(p.fd, 0, &at, NULL);
	report(result_fd, 0);
	poll(&p, 1, -1);
}

static void a_timerfd_is_seen_awake_and_frozen(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "timerfd", &roomy);
	struct look_notes *notes = NULL;
	uint64_t since_ns = clock_mono_ns();
	struct child c = start_in(t, &g, run_timerfd);
	struct look l, frozen;

	(void)child_result(&c);
	l = look_until(&g, &notes, since_ns, 30000);
	assert_string_equal(l.first.what, "timerfd");
	near(l.first.from_ns, since_ns + 29 * NS_PER_SEC, clock_mono_ns() + 30 * NS_PER_SEC);
	freeze(&g);
	frozen = look(&g, since_ns, true, &notes);
	near(frozen.first.from_ns, l.first.from_ns - 5 * NS_PER_MS,
	     l.first.from_ns + 5 * NS_PER_MS);
	look_notes_free(notes);
	kill_and_remove(t, &g, &c);
}

static timer_t timer_of(clockid_t clock_id, int notify, int number)
{
	struct sigevent how = {.sigev_notify = notify, .sigev_signo = number};
	struct itimerspec at = {.it_value = {.tv_sec = 100}};
	timer_t timer = NULL;

	timer_create(clock_id, &how, &timer);
	timer_settime(timer, 0, &at, NULL);
	return timer;
}

/* Timers that nothing waits for; when told, one that a signal waits for; when told, none again. */
static void run_signal_timers(int go_fd, int result_fd)
{
	timer_t timer;
	char go;

	signal(SIGALRM, SIG_IGN);
	timer_of(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGALRM);
	timer_of(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGALRM);
	timer_of(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGVTALRM);
	timer_of(CLOCK_REALTIME, SIGEV_NONE, 0);
	report(result_fd, 1);
	if (read(go_fd, &go, 1) != 1)
		return;
	timer = timer_of(CLOCK_REALTIME, SIGEV_SIGNAL, SIGALRM);
	report(result_fd, 2);
	if (read(go_fd, &go, 1) != 1)
		return;
	timer_delete(timer);
	report(result_fd, 3);
	pause();
}

static void a_posix_timer_that_something_may_wait_for_is_seen(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "signals", &roomy);
	struct look_notes *notes = NULL;
	struct child c = start_in(t, &g, run_signal_timers);

	(void)child_result(&c);
	assert_int_equal(look(&g, 1, false, &notes).unknown_pid, 0);
	child_go(&c);
	(void)child_result(&c);
	assert_int_equal(look(&g, 1, false, &notes).unknown_pid, c.pid);
	freeze(&g);
	assert_int_equal(look(&g, 1, true, &notes).unknown_pid, c.pid);
	assert_int_equal(cgroup_thaw(&g), 0);
	child_go(&c);
	(void)child_result(&c);
	assert_int_equal(look(&g, 1, false, &notes).unknown_pid, 0);
	look_notes_free(notes);
	kill_and_remove(t, &g, &c);
}

static void who_runs_is_seen(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "busy", &roomy);
	struct look_notes *notes = NULL;
	struct child c = start_in(t, &g, run_busy);

	(void)child_result(&c);
	assert_int_equal(look(&g, 1, false, &notes).running_tid, c.pid);
	look_notes_free(notes);
	kill_and_remove(t, &g, &c);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void run_threads(int result_fd, int count)
{
	struct timespec end;
	pthread_t thread;

	for (int i = 1; i < count; i++)
		pthread_create(&thread, NULL, wait_for_ever, NULL);
	report(result_fd, 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 100;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
}

static void run_1(int go_fd, int result_fd)
{
	run_threads(result_fd, 1);
}

static void run_10(int go_fd, int result_fd)
{
	run_threads(result_fd, 10);
}

static void run_50(int go_fd, int result_fd)
{
	run_threads(result_fd, 50);
}

/* Plays an instance that wants to keep ebbd busy: many processes, which all have the same many
 * descriptors. */
static void run_hoard(int go_fd, int result_fd)
{
	struct rlimit most = {.rlim_cur = 8192, .rlim_max = 8192};

	setrlimit(RLIMIT_NOFILE, &most);
	for (int n = 0; n < 4000; n++)
		(void)timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	for (int n = 0; n < 60; n++)
		if (fork() == 0)
			for (;;)
				pause();
	report(result_fd, 0);
	pause();
}

static void a_look_has_a_budget_and_each_part_of_it(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "hoard", &roomy);
	struct child c = start_in(t, &g, run_hoard);
	struct look_request q = {.cgroup = &g, .init_pid = getpid(), .since_ns = 1};
	struct look_notes *notes = NULL;
	struct look_run *run = NULL;
	uint64_t before_ns, longest_ns = 0, all_ns = 0;
	struct look l = {0};
	uint32_t parts = 0;
	int r;

	(void)child_result(&c);
	do {
		before_ns = clock_mono_ns();
		r = look_some(&run, &q, &notes, &l);
		before_ns = clock_mono_ns() - before_ns;
		all_ns += before_ns;
		longest_ns = before_ns > longest_ns ? before_ns : longest_ns;
		parts++;
	} while (r > 0);
	print_message("61 processes with 4000 descriptors each: %u calls in %u parts, %.1f ms, the "
		      "longest part %.1f ms\n",
		      l.calls, parts, (double)all_ns / 1e6, (double)longest_ns / 1e6);
	assert_int_equal(r, 0);
	assert_true(l.crowded);
	assert_true(parts >= LOOK_CALLS_MAX / (LOOK_PART_CALLS + 128));
	assert_true(l.calls < LOOK_CALLS_MAX + LOOK_PART_CALLS);
	look_notes_free(notes);
	kill_and_remove(t, &g, &c);
}

static void a_look_that_is_of_no_use_any_more_leaves_nothing(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "left", &roomy);
	struct child c = start_in(t, &g, run_hoard);
	struct look_request q = {.cgroup = &g, .init_pid = getpid(), .since_ns = 1};
	struct look_notes *notes = NULL;
	struct look_run *run = NULL;
	int before_fd = dup(0), after_fd;
	struct look l;

	(void)child_result(&c);
	close(before_fd);
	for (int n = 0; n < 3; n++)
		assert_int_equal(look_some(&run, &q, &notes, &l), 1);
	look_run_free(run);
	after_fd = dup(0);
	assert_int_equal(after_fd, before_fd);
	close(after_fd);
	look_notes_free(notes);
	kill_and_remove(t, &g, &c);
}

#define ROUNDS 200

static void what_a_look_costs(void **state)
{
	static const struct {
		const char *name;
		child_fn *run;
	} sizes[] = {{"1", run_1}, {"10", run_10}, {"50", run_50}};
	struct cgroup_tree *t = needs_root(state);

	for (int s = 0; s < 3; s++) {
		struct cgroup g = make(t, sizes[s].name, &roomy);
		struct child c = start_in(t, &g, sizes[s].run);
		struct look_notes *notes = NULL;
		uint64_t began_ns;
		struct look l;

		(void)child_result(&c);
		l = look_until(&g, &notes, 1, 1);
		began_ns = clock_mono_ns();
		for (int i = 0; i < ROUNDS; i++)
			l = look(&g, 1, false, &notes);
		print_message("%u threads: a look takes %.1f us\n", l.threads,
			      (double)(clock_mono_ns() - began_ns) / ROUNDS / NS_PER_US);
		look_notes_free(notes);
		kill_and_remove(t, &g, &c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sleep_keeps_its_end_over_freezes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_thread_in_which_node_does_v8s_work_has_no_timers,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_timerfd_is_seen_awake_and_frozen, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_posix_timer_that_something_may_wait_for_is_seen,
						setup, teardown),
		cmocka_unit_test_setup_teardown(who_runs_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(a_look_has_a_budget_and_each_part_of_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_look_that_is_of_no_use_any_more_leaves_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_look_costs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
