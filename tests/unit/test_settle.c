// SPDX-License-Identifier: Apache-2.0
/* The CPU time of an instance is final when its counter stands still, not when its cgroup is empty.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "cgroups/tree.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/supervisor/instance/instance.h"
#include "runtime/supervisor/instance/settle.h"

struct rig {
	struct cgroup_tree tree;
	struct ground ground;
	struct instance i;
	int leaf_fd;
	char leaf[64];
};

static void said(struct rig *rig, unsigned int usage_us)
{
	char text[128];
	int size = snprintf(text, sizeof(text), "usage_usec %u\nuser_usec 0\nsystem_usec 0\n",
			    usage_us);

	assert_int_equal(ftruncate(rig->i.cgroup.stat_fd, 0), 0);
	assert_int_equal(pwrite(rig->i.cgroup.stat_fd, text, (size_t)size, 0), size);
}

static int begin(void **state)
{
	static struct rig rig;

	memset(&rig, 0, sizeof(rig));
	(void)strcpy(rig.leaf, "/tmp/ebb-settle-XXXXXX");
	assert_non_null(mkdtemp(rig.leaf));
	rig.tree.count = 1;
	rig.tree.at[0].tree_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig.leaf_fd = open(rig.leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig.ground.tree = &rig.tree;
	rig.i.ground = &rig.ground;
	rig.i.opened_ns = 1;
	(void)strcpy(rig.i.cgroup.path, rig.leaf + strlen("/tmp/"));
	rig.i.cgroup.stat_fd = memfd_create("cpu.stat", MFD_CLOEXEC);
	assert_true(rig.i.cgroup.stat_fd >= 0 && rig.leaf_fd >= 0);
	*state = &rig;
	return 0;
}

static int end(void **state)
{
	struct rig *rig = *state;

	(void)fd_rmtree_at(rig->tree.at[0].tree_fd, rig->i.cgroup.path);
	fd_close(&rig->i.cgroup.stat_fd);
	fd_close(&rig->leaf_fd);
	fd_close(&rig->tree.at[0].tree_fd);
	return 0;
}

static void a_counter_that_moves_is_not_final(void **state)
{
	struct rig *rig = *state;
	uint64_t moved_ns = 0;

	for (unsigned int us = 100; us < 110; us++) {
		said(rig, us);
		moved_ns = clock_mono_ns();
		assert_false(settle_look(&rig->i));
	}
	while (!settle_look(&rig->i))
		assert_true(clock_mono_ns() - moved_ns < 10 * NS_PER_SEC);
	assert_true(rig->i.still.cpu_us == 109);
	said(rig, 110); /* it is asked again when its directory is busy */
	assert_false(settle_look(&rig->i));
}

/* A service that gave way to others (cpu.idle), or has spent its quota, would end when they rest.
 */
static void what_is_left_of_its_exits_runs_first(void **state)
{
	static const char *const knobs[] = {"cpu.idle", "cpu.max", "cpu.weight"};
	static const char *const first[] = {"0", "max", "10000"};
	struct rig *rig = *state;
	char text[32];

	for (size_t n = 0; n < 3; n++)
		fd_close(&(int){
			openat(rig->leaf_fd, knobs[n], O_CREAT | O_WRONLY | O_CLOEXEC, 0600)});
	said(rig, 1);
	assert_false(settle_look(&rig->i));
	for (size_t n = 0; n < 3; n++) {
		assert_true(fd_read_file_at(rig->leaf_fd, knobs[n], text, sizeof(text)) > 0);
		assert_string_equal(text, first[n]);
	}
}

static void a_counter_that_cannot_be_read_keeps_nobody(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(ftruncate(rig->i.cgroup.stat_fd, 0), 0);
	assert_true(settle_look(&rig->i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_counter_that_moves_is_not_final, begin, end),
		cmocka_unit_test_setup_teardown(what_is_left_of_its_exits_runs_first, begin, end),
		cmocka_unit_test_setup_teardown(a_counter_that_cannot_be_read_keeps_nobody, begin,
						end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
