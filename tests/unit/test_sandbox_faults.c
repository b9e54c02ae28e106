// SPDX-License-Identifier: Apache-2.0
/* Every step of a sandbox fails once: it is named, and nothing is left behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "tests/unit/sandbox_rig.h"

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int count_mounts(void)
{
	static char text[65536];
	int count = 0;

	assert_true(fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", text, sizeof(text)) > 0);
	for (const char *at = text; *at; at++)
		count += *at == '\n';
	return count;
}

/* The possessions of this process; the zygote's children become ours when it ends (subreaper). */
struct holdings {
	int fds, mounts;
};

static struct holdings look(void)
{
	return (struct holdings){count_entries("/proc/self/fd"), count_mounts()};
}

static void assert_same(struct holdings before, struct holdings after, const char *step)
{
	if (before.fds != after.fds || before.mounts != after.mounts)
		fail_msg("%s: fds %d -> %d, mounts %d -> %d", step, before.fds, after.fds,
			 before.mounts, after.mounts);
}

/* Ends the zygote; then every process it ever made must end and be reaped. */
static void stop_and_reap(struct rig *r)
{
	zygote_stop(r->zygote);
	r->zygote = NULL;
	(void)alarm(20);
	while (waitpid(-1, NULL, 0) > 0)
		;
	assert_int_equal(errno, ECHILD);
	(void)alarm(0);
}

static void fail_once(struct rig *r, const char *image, uint32_t step)
{
	const char *const argv[] = {"guest", "exit", NULL};
	struct sandbox_word fault = {0};
	struct wire_exec exec;
	struct box b;
	int e;

	exec_of(&exec, argv);
	assert_int_equal(rig_start(r, step), 0);
	e = box_arm(r, &b, &fault);
	if (e == 0) {
		e = box_claim(r, &b, image, &exec, -1);
		assert_int_equal(e, 0);
		assert_int_equal(box_word(&b, &fault), 1);
	} else {
		assert_int_equal(e, -ECANCELED);
	}
	assert_int_equal(fault.says, SANDBOX_SAYS_FAULT);
	assert_string_equal(sandbox_step_name(fault.a), sandbox_step_name(step));
	assert_int_equal(fault.b, EIO);
	box_close(&b);
	assert_int_equal(access(b.cgroup, F_OK), -1);
	stop_and_reap(r);
}

static bool need_root(void)
{
	const char *why = rig_unavailable();

	if (why)
		print_message("skipped: %s\n", why);
	return why == NULL;
}

static void each_failing_step_is_named_and_leaves_nothing(void **state)
{
	struct rig r;
	char image[128];

	if (!need_root())
		skip();
	assert_int_equal(rig_open(&r), 0);
	assert_int_equal(rig_image(&r, "image", image, sizeof(image)), 0);
	for (uint32_t step = 0; step < SANDBOX_STEP_COUNT; step++) {
		struct holdings before = look();

		r.with_ring = step >= SANDBOX_RING_SETUP && step <= SANDBOX_RING_ENABLE;
		if (r.with_ring && sandbox_ring_probe() < 0)
			continue; /* test_sandbox_ring counts that as a skip */
		fail_once(&r, image, step);
		assert_same(before, look(), sandbox_step_name(step));
	}
	rig_close(&r);
	assert_int_equal(access(r.dir, F_OK), -1);
}

static bool ended(int pid_fd)
{
	struct pollfd p = {.fd = pid_fd, .events = POLLIN};

	return poll(&p, 1, 10000) == 1;
}

static void parked_sandboxes_end_with_the_zygote_claimed_ones_live_on(void **state)
{
	const char *const argv[] = {"guest", "signal", NULL};
	struct sandbox_word word;
	struct wire_exec exec;
	struct box parked, claimed;
	char image[128], ready[8];
	struct rig r;

	if (!need_root())
		skip();
	assert_int_equal(rig_open(&r), 0);
	assert_int_equal(rig_image(&r, "image", image, sizeof(image)), 0);
	assert_int_equal(rig_start(&r, SANDBOX_STEP_COUNT), 0);
	exec_of(&exec, argv);
	assert_int_equal(box_arm(&r, &parked, &word), 0);
	assert_int_equal(box_arm(&r, &claimed, &word), 0);
	assert_int_equal(box_claim(&r, &claimed, image, &exec, -1), 0);
	assert_int_equal(fd_read_all(claimed.output_fd, ready, 6), 6);
	zygote_stop(r.zygote);
	r.zygote = NULL;
	assert_true(ended(parked.armed.pid_fd));
	assert_int_equal(pidfd_send_signal(claimed.armed.pid_fd, SIGTERM, NULL, 0), 0);
	assert_int_equal(box_word(&claimed, &word), 1);
	assert_int_equal(word.b, SIGTERM);
	assert_true(ended(claimed.armed.pid_fd));
	/* Nobody else's children: reaped here, so that the cgroups can go. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	box_close(&parked);
	box_close(&claimed);
	rig_close(&r);
}

static void an_armed_one_given_up_ends(void **state)
{
	struct sandbox_word word;
	struct holdings before;
	struct box b;
	struct rig r;
	int pid_fd;

	if (!need_root())
		skip();
	assert_int_equal(rig_open(&r), 0);
	before = look();
	assert_int_equal(rig_start(&r, SANDBOX_STEP_COUNT), 0);
	assert_int_equal(box_arm(&r, &b, &word), 0);
	pid_fd = fcntl(b.armed.pid_fd, F_DUPFD_CLOEXEC, 0);
	armed_fini(&b.armed);
	assert_true(ended(pid_fd));
	fd_close(&pid_fd);
	stop_and_reap(&r);
	box_close(&b);
	assert_same(before, look(), "given up");
	rig_close(&r);
}

static void a_parked_one_ends_with_either_of_its_processes(void **state)
{
	struct sandbox_word word;
	struct box b[2];
	struct rig r;

	if (!need_root())
		skip();
	assert_int_equal(rig_open(&r), 0);
	assert_int_equal(rig_start(&r, SANDBOX_STEP_COUNT), 0);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(box_arm(&r, &b[n], &word), 0);
		assert_false(armed_is_dead(&b[n].armed));
		assert_int_equal(kill(n == 0 ? b[n].armed.pid : b[n].armed.function_pid, SIGKILL),
				 0);
		assert_true(ended(b[n].armed.pid_fd));
		assert_true(armed_is_dead(&b[n].armed));
	}
	stop_and_reap(&r);
	for (int n = 0; n < 2; n++)
		box_close(&b[n]);
	rig_close(&r);
}

/* Waits until the function's process is in read(2): with the ids and the name that it has there. */
static void await_parked_without_rights(const struct box *b)
{
	char path[64], ids[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)b->armed.function_pid);
	snprintf(ids, sizeof(ids), "Uid:\t%u\t%u\t", b->armed.id_first + 1000,
		 b->armed.id_first + 1000);
	(void)alarm(20);
	do
		assert_true(fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0);
	while (!strstr(text, ids) || !strstr(text, "State:\tS") ||
	       !strstr(text, "CapPrm:\t0000000000000000") || !strstr(text, "Seccomp:\t2"));
	(void)alarm(0);
	assert_non_null(strstr(text, "Name:\tebb:parked"));
}

static void a_claim_ahead_of_need_waits_for_its_byte_and_ends_with_its_pipe(void **state)
{
	const char *const argv[] = {"guest", "signal", NULL};
	struct sandbox_word word;
	struct wire_exec exec;
	char image[128], ready[8];
	struct box b[2];
	int start_fd[2];
	struct rig r;

	if (!need_root())
		skip();
	assert_int_equal(rig_open(&r), 0);
	assert_int_equal(rig_image(&r, "image", image, sizeof(image)), 0);
	assert_int_equal(rig_start(&r, SANDBOX_STEP_COUNT), 0);
	exec_of(&exec, argv);
	exec.uid = exec.gid = 1000;
	for (int n = 0; n < 2; n++) {
		assert_int_equal(box_arm(&r, &b[n], &word), 0);
		assert_int_equal(box_claim_ahead(&r, &b[n], image, &exec, -1, &start_fd[n]), 0);
		await_parked_without_rights(&b[n]);
	}
	assert_int_equal(fd_write_all(start_fd[0], "", 1), 0);
	fd_close(&start_fd[0]);
	assert_int_equal(fd_read_all(b[0].output_fd, ready, 6), 6);
	fd_close(&start_fd[1]);
	assert_true(ended(b[1].armed.pid_fd));
	assert_int_equal(kill(b[0].armed.pid, SIGKILL), 0);
	stop_and_reap(&r);
	for (int n = 0; n < 2; n++)
		box_close(&b[n]);
	rig_close(&r);
}

static void a_policy_without_reasons_stops_the_start(void **state)
{
	struct sandbox_options o = {.init_path = "/proc/self/exe",
				    .policy_path = "/proc/self/status",
				    .id_base = RIG_ID_BASE,
				    .fail_step = SANDBOX_STEP_COUNT,
				    .hostname = "ebb"};
	struct zygote *z = NULL;
	struct fault fault = {0};

	assert_int_equal(zygote_start(&o, &z, &fault), -EINVAL);
	assert_non_null(strstr(fault.what, "/proc/self/status, line 1: needs a reason"));
	o.policy_path = "/nonexistent";
	assert_int_equal(zygote_start(&o, &z, NULL), -ENOENT);
	assert_null(z);
}

static void each_step_has_a_name_of_its_own(void **state)
{
	for (uint32_t a = 0; a < SANDBOX_STEP_COUNT; a++) {
		assert_string_not_equal(sandbox_step_name(a), "?");
		for (uint32_t b = 0; b < a; b++)
			assert_string_not_equal(sandbox_step_name(a), sandbox_step_name(b));
	}
	assert_string_equal(sandbox_step_name(SANDBOX_STEP_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_has_a_name_of_its_own),
		cmocka_unit_test(each_failing_step_is_named_and_leaves_nothing),
		cmocka_unit_test(parked_sandboxes_end_with_the_zygote_claimed_ones_live_on),
		cmocka_unit_test(an_armed_one_given_up_ends),
		cmocka_unit_test(a_parked_one_ends_with_either_of_its_processes),
		cmocka_unit_test(a_claim_ahead_of_need_waits_for_its_byte_and_ends_with_its_pipe),
		cmocka_unit_test(a_policy_without_reasons_stops_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
