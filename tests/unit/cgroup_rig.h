/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of cgroups/: a tree of their own, children that wait to be let go. */
#ifndef EBB_TESTS_CGROUP_RIG_H
#define EBB_TESTS_CGROUP_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cgroups/tree.h"
#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/text.h"

#define DEADLINE_MS 20000
#define MIB         (UINT64_C(1) << 20)

static const struct cgroup_limits roomy = {
	.memory_bytes = 256 * MIB, .cpu_milli = 2000, .pids_max = 64};

static inline int setup(void **state)
{
	struct cgroup_tree *t;
	char name[64], text[FAULT_TEXT_SIZE];
	struct fault fault = {0};

	*state = NULL;
	if (geteuid() != 0)
		return 0;
	snprintf(name, sizeof(name), "ebb-test-%d", (int)getpid());
	if (cgroup_tree_open(name, &t, &fault) < 0) {
		print_error("%s\n", fault_text(&fault, text));
		return -1;
	}
	print_message("mode: %s\n", cgroup_abilities(t).hybrid ? "hybrid" : "v2");
	*state = t;
	return 0;
}

static inline int teardown(void **state)
{
	struct cgroup_tree *t = *state;
	int r = 0;

	if (!t)
		return 0;
	cgroup_tree_purge(t, DEADLINE_MS);
	cgroup_tree_remove(t);
	for (unsigned int i = 0; i < t->count; i++)
		if (faccessat(t->at[i].base_fd, t->name, F_OK, 0) == 0)
			r = -1; /* something was left behind */
	cgroup_tree_close(t);
	return r;
}

static inline struct cgroup_tree *needs_root(void **state)
{
	if (!*state) {
		print_message("skipped: cgroups need root\n");
		skip();
	}
	return *state;
}

/* --- children ------------------------------------------------------------------------------ */

struct child {
	pid_t pid;
	int go_fd;     /* a byte lets it run */
	int result_fd; /* its findings */
};

typedef void child_fn(int go_fd, int result_fd);

static inline struct child child_start(child_fn *run)
{
	int go[2], result[2];
	struct child c;
	char byte;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(result, O_CLOEXEC), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		close(result[0]);
		if (read(go[0], &byte, 1) == 1)
			run(go[0], result[1]);
		_exit(0);
	}
	close(go[0]);
	close(result[1]);
	c.go_fd = go[1];
	c.result_fd = result[0];
	return c;
}

static inline void child_go(struct child *c)
{
	assert_int_equal(write(c->go_fd, "", 1), 1);
}

static inline uint64_t child_result(struct child *c)
{
	struct pollfd p = {.fd = c->result_fd, .events = POLLIN};
	uint64_t value;

	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_int_equal(read(c->result_fd, &value, sizeof(value)), sizeof(value));
	return value;
}

static inline int child_end(struct child *c)
{
	int status;

	close(c->go_fd);
	close(c->result_fd);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	return status;
}

static inline void report(int result_fd, uint64_t value)
{
	if (write(result_fd, &value, sizeof(value)) != sizeof(value))
		_exit(9);
}

static inline void run_busy(int go_fd, int result_fd)
{
	report(result_fd, 0);
	for (volatile unsigned int i = 0;; i++)
		;
}

static inline void run_idle(int go_fd, int result_fd)
{
	char byte;

	report(result_fd, 0);
	(void)!read(go_fd, &byte, 1);
}

/* --- helpers ------------------------------------------------------------------------------- */

static inline bool is_there(const struct cgroup_tree *t, const char *path)
{
	for (unsigned int i = 0; i < t->count; i++)
		if (faccessat(t->at[i].tree_fd, path, F_OK, 0) == 0)
			return true;
	return false;
}

static inline struct cgroup make(struct cgroup_tree *t, const char *instance,
				 const struct cgroup_limits *limits)
{
	struct cgroup g;

	assert_int_equal(cgroup_create(t, "svc", instance, limits, &g), 0);
	return g;
}

static inline struct child start_in(struct cgroup_tree *t, const struct cgroup *g, child_fn *run)
{
	struct child c = child_start(run);

	assert_int_equal(cgroup_attach(t, g, c.pid), 0);
	child_go(&c);
	return c;
}

/* Waits for a fact of cgroup.events; its poll notification is late, so look every millisecond. */
static inline void wait_for(int (*fact)(const struct cgroup *), const struct cgroup *g, int wanted)
{
	uint64_t deadline_ns = clock_mono_ns() + DEADLINE_MS * NS_PER_MS;

	while (fact(g) != wanted) {
		assert_true(clock_mono_ns() < deadline_ns);
		poll(NULL, 0, 1);
	}
}

static inline void remove_dead(struct cgroup_tree *t, struct cgroup *g)
{
	uint64_t deadline_ns = clock_mono_ns() + DEADLINE_MS * NS_PER_MS;
	int r;

	while ((r = cgroup_remove(t, g)) == -EBUSY && clock_mono_ns() < deadline_ns)
		poll(NULL, 0, 1);
	assert_int_equal(r, 0);
	assert_false(is_there(t, g->path));
	cgroup_fini(g);
}

static inline void kill_and_remove(struct cgroup_tree *t, struct cgroup *g, struct child *c)
{
	assert_int_equal(cgroup_kill(g), 0);
	wait_for(cgroup_populated, g, 0);
	assert_true(WIFSIGNALED(child_end(c)));
	remove_dead(t, g);
}

#endif
