// SPDX-License-Identifier: Apache-2.0
/* The restricted ring of a function: all that a hostile one could ask of it, and who pays. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "tests/unit/sandbox_rig.h"

struct fixture {
	struct rig rig;
	char image[128];
	char skip[128];
};

static int open_fixture(void **state)
{
	static struct fixture f;
	const char *why = rig_unavailable();
	int r = why ? 0 : sandbox_ring_probe();

	*state = &f;
	if (why || r < 0) {
		snprintf(f.skip, sizeof(f.skip), "%s",
			 why ? why : "this kernel makes no restricted ring (Linux 6.4 is needed)");
		return 0;
	}
	if (rig_open(&f.rig) < 0 || rig_start(&f.rig, SANDBOX_STEP_COUNT) < 0)
		return -1;
	f.rig.with_ring = true;
	return rig_image(&f.rig, "image", f.image, sizeof(f.image));
}

static int close_fixture(void **state)
{
	struct fixture *f = *state;

	if (!f->skip[0])
		rig_close(&f->rig);
	return 0;
}

static struct fixture *need(void **state)
{
	struct fixture *f = *state;

	if (f->skip[0]) {
		print_message("skipped: %s\n", f->skip);
		skip();
	}
	return f;
}

static void start(struct fixture *f, struct box *b, const char *mode)
{
	const char *const argv[] = {"guest", mode, NULL};
	struct sandbox_word fault = {0};
	struct wire_exec exec;
	int r;

	exec_of(&exec, argv);
	r = box_arm(&f->rig, b, &fault);
	if (r < 0)
		fail_msg("arm: %s: %s: %s", strerror(-r), sandbox_step_name(fault.a),
			 strerror(fault.b));
	assert_int_equal(box_claim(&f->rig, b, f->image, &exec, -1), 0);
}

static void expect(const char *output, const char *const *facts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strstr(output, facts[i]))
			fail_msg("missing '%s' in:\n%s", facts[i], output);
}

static void a_hostile_function_gets_nothing_from_its_ring(void **state)
{
	static const char *const facts[] = {
		"fd=4 buffers=256\n",
		/* its purpose */
		"\nnop=ok\n",
		"\nsend=ok\n",
		"\nrecv=ok\n",
		"\nstill=ok\n",
		/* operations, flags and identities that are not on the list */
		"\nopenat=EACCES\n",
		"\nsocket=EACCES\n",
		"\nconnect=EACCES\n",
		"\nsendmsg_rights=EACCES\n",
		"\nasync=EACCES\n",
		"\nfixed_file=EACCES\n",
		"\ndrain=EACCES\n",
		"\npersonality=EINVAL\n",
		"\noperations_refused=53 others=0\n",
		/* more rings, or another ring */
		"\nsetup=EPERM\n",
		"\nregister_files=EPERM\n",
		"\nregister_buffers=EPERM\n",
		"\nregister_personality=EPERM\n",
		"\nregister_restrictions=EPERM\n",
		"\nregister_enable=EPERM\n",
		"\nregister_pbuf=EPERM\n",
		"\nregister_workers=EPERM\n",
		"\nregister_resize=EPERM\n",
		"\nregister_clone=EPERM\n",
		"\nregister_blind=EPERM\n",
		"\nenter_other=EPERM\n",
		"\nenter_high=EPERM\n",
		"\nenter_registered=ENOSYS\n",
		/* anybody but the thread that it was made for */
		"\nthread=EEXIST\n",
		"\nfork=EEXIST\n",
	};
	static char output[65536];
	struct fixture *f = need(state);
	struct sandbox_word word;
	struct box b;

	start(f, &b, "ring");
	box_output(&b, output, sizeof(output));
	assert_int_equal(box_word(&b, &word), 1);
	assert_int_equal(word.says, SANDBOX_SAYS_EXIT);
	expect(output, facts, ARRAY_LEN(facts));
	box_close(&b);
}

static uint64_t usage_us(const struct box *b)
{
	char path[224], text[512];
	const char *at;

	snprintf(path, sizeof(path), "%s/cpu.stat", b->cgroup);
	assert_true(fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0);
	at = strstr(text, "usage_usec ");
	assert_non_null(at);
	return strtoull(at + strlen("usage_usec "), NULL, 10);
}

static void freeze(const struct box *b, bool on)
{
	char path[224], text[128] = "";

	snprintf(path, sizeof(path), "%s/cgroup.freeze", b->cgroup);
	assert_int_equal(fd_write_file_at(AT_FDCWD, path, on ? "1" : "0"), 0);
	snprintf(path, sizeof(path), "%s/cgroup.events", b->cgroup);
	while (on && !strstr(text, "frozen 1")) {
		(void)poll(NULL, 0, 1);
		assert_true(fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0);
	}
}

/* A worker thread of the kernel's is in its cgroup. */
static bool has_worker(const struct box *b)
{
	char path[224], text[4096], comm[64];
	char *rest = text, *tid;

	snprintf(path, sizeof(path), "%s/cgroup.threads", b->cgroup);
	assert_true(fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) >= 0);
	while ((tid = strsep(&rest, "\n")) && *tid) {
		snprintf(path, sizeof(path), "/proc/%s/comm", tid);
		if (fd_read_file_at(AT_FDCWD, path, comm, sizeof(comm)) > 0 &&
		    strncmp(comm, "iou-wrk-", 8) == 0)
			return true;
	}
	return false;
}

static void wait_usage(const struct box *b, uint64_t more_than_us)
{
	while (usage_us(b) < more_than_us)
		(void)poll(NULL, 0, 1);
}

/* Workers of the ring read for the function without end: their CPU time counts as the instance's,
 * and they stand still while it is frozen. */
static void workers_of_the_ring_are_billed_and_frozen(void **state)
{
	struct fixture *f = need(state);
	uint64_t begun_us, frozen_us;
	char text[8];
	struct box b;

	start(f, &b, "ring_work");
	assert_int_equal(fd_read_all(b.output_fd, text, 6), 6);
	while (!has_worker(&b))
		(void)poll(NULL, 0, 1);
	begun_us = usage_us(&b);
	wait_usage(&b, begun_us + 10000);
	freeze(&b, true);
	frozen_us = usage_us(&b);
	(void)poll(NULL, 0, 50);
	assert_int_equal(usage_us(&b), frozen_us);
	freeze(&b, false);
	wait_usage(&b, frozen_us + 10000);
	box_close(&b);
}

static void one_without_a_ring_may_call_nothing_of_it(void **state)
{
	static const char *const facts[] = {"\nio_uring=EPERM\n", "\nio_uring_enter=EPERM\n",
					    "\nio_uring_register=EPERM\n"};
	static char output[65536];
	struct fixture *f = need(state);
	struct box b;

	f->rig.with_ring = false;
	start(f, &b, "try");
	f->rig.with_ring = true;
	box_output(&b, output, sizeof(output));
	expect(output, facts, ARRAY_LEN(facts));
	box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hostile_function_gets_nothing_from_its_ring),
		cmocka_unit_test(workers_of_the_ring_are_billed_and_frozen),
		cmocka_unit_test(one_without_a_ring_may_call_nothing_of_it),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
