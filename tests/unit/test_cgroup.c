// SPDX-License-Identifier: Apache-2.0
/* The cgroup tree against the real kernel, in the mode of this host: hybrid or pure v2. */
#include "tests/unit/cgroup_rig.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static void run_forks(int go_fd, int result_fd)
{
	uint64_t refused = 0;

	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				pause();
		refused += pid < 0 && errno == EAGAIN;
	}
	report(result_fd, refused);
}

static void run_greedy(int go_fd, int result_fd)
{
	size_t size = 128 * MIB;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; p != MAP_FAILED && i < size; i += 4096)
		*(volatile char *)(p + i) = 1;
	report(result_fd, 1);
}

/* --- limits -------------------------------------------------------------------------------- */

static void a_pids_limit_refuses_fork(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "pids", &(struct cgroup_limits){.pids_max = 3});
	struct child c = start_in(t, &g, run_forks);

	assert_int_equal(child_result(&c), 8 - 2);
	assert_int_equal(cgroup_kill(&g), 0);
	wait_for(cgroup_populated, &g, 0);
	child_end(&c);
	remove_dead(t, &g);
}

static void a_memory_limit_kills_and_is_counted(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "memory", &(struct cgroup_limits){.memory_bytes = 32 * MIB});
	struct child c = child_start(run_greedy);
	uint64_t kills = 99, bytes = 0;
	int status;

	assert_int_equal(cgroup_oom_kills(t, &g, &kills), 0);
	assert_int_equal(kills, 0);
	assert_int_equal(cgroup_attach(t, &g, c.pid), 0);
	child_go(&c);
	status = child_end(&c);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(cgroup_oom_kills(t, &g, &kills), 0);
	assert_true(kills >= 1);
	assert_int_equal(cgroup_memory_bytes(t, &g, &bytes), 0);
	assert_true(bytes <= 32 * MIB);
	remove_dead(t, &g);
}

static uint64_t throttled(const struct cgroup_tree *t, const struct cgroup *g)
{
	char path[640];
	uint64_t count = 0;

	snprintf(path, sizeof(path), "%s/cpu.stat", g->path);
	{
		SCOPED_FD fd =
			openat(t->at[t->home[CGROUP_CPU]].tree_fd, path, O_RDONLY | O_CLOEXEC);

		assert_int_equal(cgroup_field_read(fd, "nr_throttled", &count), 0);
	}
	return count;
}

static void a_cpu_quota_throttles(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "cpu", &(struct cgroup_limits){.cpu_milli = 100});
	uint64_t deadline_ns = clock_mono_ns() + DEADLINE_MS * NS_PER_MS;
	struct child c;

	assert_int_equal(throttled(t, &g), 0);
	c = start_in(t, &g, run_busy);
	while (throttled(t, &g) < 3) {
		assert_true(clock_mono_ns() < deadline_ns);
		poll(NULL, 0, 20);
	}
	kill_and_remove(t, &g, &c);
}

static void a_tiny_cpu_share_is_still_accepted(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "tiny", &(struct cgroup_limits){.cpu_milli = 1});

	remove_dead(t, &g);
}

static void a_limit_that_cannot_be_set_leaves_nothing(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup_limits wrong = roomy;
	struct cgroup g;

	wrong.pids_max = UINT32_MAX; /* beyond PID_MAX_LIMIT */
	assert_int_equal(cgroup_create(t, "svc", "wrong", &wrong, &g), -EINVAL);
	assert_false(is_there(t, "svc/wrong"));
	assert_false(is_there(t, "svc"));
}

/* --- leaves -------------------------------------------------------------------------------- */

/* How many hierarchies have this process in the leaf. */
static unsigned int found_in(const struct cgroup_tree *t, const struct cgroup *g, pid_t pid)
{
	char path[64], text[4096], wanted[640], *line, *rest = text;
	unsigned int found = 0;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	assert_true(fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0);
	snprintf(wanted, sizeof(wanted), "%s/%s", t->name, g->path);
	while ((line = strsep(&rest, "\n")))
		found += strstr(line, wanted) != NULL;
	return found;
}

static void attach_moves_in_every_hierarchy(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "attach", &roomy);
	struct child c = start_in(t, &g, run_idle);

	child_result(&c);
	assert_int_equal(found_in(t, &g, c.pid), t->count);
	kill_and_remove(t, &g, &c);
}

static void a_process_in_the_cgroup2_leaf_joins_the_others_by_descriptor(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "joins", &roomy);
	struct child c = child_start(run_idle);
	int fds[CGROUP_JOINS_MAX];
	char pid[24];
	int count;

	snprintf(pid, sizeof(pid), "%d", (int)c.pid);
	assert_int_equal(fd_write_file_at(g.dir_fd, "cgroup.procs", pid), 0);
	assert_int_equal(found_in(t, &g, c.pid), 1);
	count = cgroup_joins(t, &g, fds);
	assert_int_equal(count, t->count - 1);
	for (int i = 0; i < count; i++) {
		assert_int_equal(write(fds[i], pid, strlen(pid)), strlen(pid));
		fd_close(&fds[i]);
	}
	assert_int_equal(found_in(t, &g, c.pid), t->count);
	kill_and_remove(t, &g, &c);
}

static void limits_can_be_set_after_birth(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "later", &(struct cgroup_limits){0});
	struct child c;

	assert_int_equal(cgroup_set_limits(t, &g, &(struct cgroup_limits){.pids_max = 3}), 0);
	c = start_in(t, &g, run_forks);
	assert_int_equal(child_result(&c), 8 - 2);
	assert_int_equal(cgroup_kill(&g), 0);
	wait_for(cgroup_populated, &g, 0);
	child_end(&c);
	remove_dead(t, &g);
}

static void a_used_name_is_refused(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "used", &roomy), again;

	assert_int_equal(cgroup_create(t, "svc", "used", &roomy, &again), -EEXIST);
	assert_true(is_there(t, "svc/used"));
	remove_dead(t, &g);
}

static void names_that_are_paths_are_refused(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "cgroup.procs", ".hidden"};
	struct cgroup_tree *t = needs_root(state), *other;
	struct cgroup g;
	struct fault fault = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(cgroup_create(t, bad[i], "x", &roomy, &g), -EINVAL);
		assert_int_equal(cgroup_create(t, "svc", bad[i], &roomy, &g), -EINVAL);
	}
	assert_int_equal(cgroup_tree_open("a/b", &other, &fault), -EINVAL);
	assert_non_null(strstr(fault.what, "a/b"));
}

static void a_service_named_like_a_v1_file_works(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g;

	assert_int_equal(cgroup_create(t, "tasks", "tasks-1", &roomy, &g), 0);
	remove_dead(t, &g);
}

static void a_service_directory_goes_with_its_last_leaf(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup a = make(t, "a", &roomy), b = make(t, "b", &roomy);

	assert_int_not_equal(a.id, b.id);
	remove_dead(t, &a);
	assert_true(is_there(t, "svc"));
	remove_dead(t, &b);
	assert_false(is_there(t, "svc"));
}

static void a_living_leaf_is_busy_and_a_killed_one_goes(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct cgroup g = make(t, "busy", &roomy);
	struct child c = start_in(t, &g, run_busy);

	child_result(&c);
	assert_int_equal(cgroup_populated(&g), 1);
	assert_int_equal(cgroup_remove(t, &g), -EBUSY);
	kill_and_remove(t, &g, &c);
}

/* --- trees --------------------------------------------------------------------------------- */

static void purge_ends_what_an_earlier_ebbd_left(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct child children[3];
	struct cgroup g[3];
	char name[16];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		g[i] = make(t, name, &roomy);
		children[i] = start_in(t, &g[i], run_busy);
		child_result(&children[i]);
		if (i < 2) {
			assert_int_equal(cgroup_freeze(&g[i]), 0);
			wait_for(cgroup_frozen, &g[i], 1);
		}
		cgroup_fini(&g[i]);
	}
	assert_int_equal(cgroup_tree_purge(t, DEADLINE_MS), 3);
	assert_false(is_there(t, "svc"));
	for (int i = 0; i < 3; i++)
		assert_true(WIFSIGNALED(child_end(&children[i])));
	assert_int_equal(cgroup_tree_purge(t, DEADLINE_MS), 0);
	g[0] = make(t, "after", &roomy); /* the tree is as good as new */
	remove_dead(t, &g[0]);
}

static int open_and_use_inner(void)
{
	struct cgroup_tree *t;
	struct cgroup g;
	struct fault fault = {0};
	int r = cgroup_tree_open("ebb-inner", &t, &fault);
	size_t size;

	if (r < 0)
		return r;
	r = cgroup_create(t, "svc", "x", &roomy, &g);
	if (r == 0)
		r = cgroup_remove(t, &g);
	size = strlen(t->at[0].path);
	if (size < 5 || strcmp(t->at[0].path + size - 5, "/unit") != 0)
		r = -EXDEV;
	if (r == 0)
		r = cgroup_own_enter(t);
	cgroup_tree_remove(t); /* it is there still if nobody left its "own" */
	cgroup_tree_close(t);
	return r;
}

/* The tree moves the whole process, so this runs in a child. The second tree is opened from the
 * cgroup that the first one moved the process to. */
static void run_delegated(int go_fd, int result_fd)
{
	int r = open_and_use_inner();

	if (r == 0)
		r = open_and_use_inner();
	report(result_fd, (uint64_t)(uint32_t)-r);
}

static void a_delegated_cgroup_is_used_and_room_is_made_in_it(void **state)
{
	struct cgroup_tree *t = needs_root(state);
	struct child c = child_start(run_delegated);
	char text[24];
	int fd;

	/* As systemd does for Delegate=yes. */
	assert_int_equal(mkdirat(t->at[0].tree_fd, "unit", 0755), 0);
	fd = openat(t->at[0].tree_fd, "unit", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fsetxattr(fd, "trusted.delegate", "1", 1, 0), 0);
	snprintf(text, sizeof(text), "%d", (int)c.pid);
	assert_int_equal(fd_write_file_at(fd, "cgroup.procs", text), 0);
	child_go(&c);
	assert_int_equal(child_result(&c), 0);
	child_end(&c);
	/* It had to move aside only if there were controllers to enable. */
	assert_int_equal(faccessat(fd, "supervisor", F_OK, 0) == 0, t->home[CGROUP_PIDS] == 0);
	assert_int_not_equal(faccessat(fd, "ebb-inner", F_OK, 0), 0);
	close(fd);
	assert_true(cgroup_tree_purge(t, DEADLINE_MS) >= 0);
	assert_false(is_there(t, "unit"));
}

/* Where the hierarchy with the cpu controller has this process, relative to its root. */
static bool is_in_own(const struct cgroup_tree *t)
{
	char text[4096], wanted[128];

	(void)text_format(wanted, sizeof(wanted), "/%s/own\n", t->name);
	return fd_read_file_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) > 0 &&
	       strstr(text, wanted);
}

static int weigh_own(const struct cgroup_tree *t)
{
	unsigned int home = t->home[CGROUP_CPU];
	char text[32], *at = text;
	int r = (int)fd_read_file_at(t->at[home].tree_fd,
				     home == 0 ? "own/cpu.weight" : "own/cpu.shares", text,
				     sizeof(text));

	return r < 0 ? r : strtol(at, NULL, 10) == (home == 0 ? 1000 : 10240) ? 0 : -ERANGE;
}

/* In a child: it goes in, and comes out alive when the tree is purged. */
static void run_own(int go_fd, int result_fd)
{
	struct cgroup_tree *t;
	struct fault fault = {0};
	int r = cgroup_tree_open("ebb-test-own", &t, &fault);

	if (r == 0)
		r = cgroup_own_enter(t);
	if (r == 0 && !is_in_own(t))
		r = -ENOTDIR;
	if (r == 0)
		r = weigh_own(t);
	if (r == 0)
		r = cgroup_tree_purge(t, DEADLINE_MS);
	if (r == 0 &&
	    (is_in_own(t) || faccessat(t->at[t->home[CGROUP_CPU]].tree_fd, "own", F_OK, 0) == 0))
		r = -EEXIST;
	if (r == 0)
		cgroup_tree_remove(t);
	if (r == 0 && faccessat(t->at[0].base_fd, "ebb-test-own", F_OK, 0) == 0)
		r = -ENOTEMPTY;
	report(result_fd, (uint64_t)(uint32_t)-r);
}

static void ebbds_own_place_is_beside_the_instances_and_purging_spares_it(void **state)
{
	struct child c;

	(void)needs_root(state);
	c = child_start(run_own);
	child_go(&c);
	assert_int_equal(child_result(&c), 0);
	child_end(&c);
}

static void a_second_open_finds_the_same_tree(void **state)
{
	struct cgroup_tree *t = needs_root(state), *again;
	struct cgroup g = make(t, "shared", &roomy);
	struct fault fault = {0};

	assert_int_equal(cgroup_tree_open(t->name, &again, &fault), 0);
	assert_true(is_there(again, "svc/shared"));
	cgroup_tree_close(again);
	remove_dead(t, &g);
	cgroup_tree_close(NULL);
	cgroup_tree_remove(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_used_name_is_refused),
		cmocka_unit_test(names_that_are_paths_are_refused),
		cmocka_unit_test(a_service_named_like_a_v1_file_works),
		cmocka_unit_test(a_service_directory_goes_with_its_last_leaf),
		cmocka_unit_test(attach_moves_in_every_hierarchy),
		cmocka_unit_test(a_process_in_the_cgroup2_leaf_joins_the_others_by_descriptor),
		cmocka_unit_test(limits_can_be_set_after_birth),
		cmocka_unit_test(a_living_leaf_is_busy_and_a_killed_one_goes),
		cmocka_unit_test(a_pids_limit_refuses_fork),
		cmocka_unit_test(a_memory_limit_kills_and_is_counted),
		cmocka_unit_test(a_cpu_quota_throttles),
		cmocka_unit_test(a_tiny_cpu_share_is_still_accepted),
		cmocka_unit_test(a_limit_that_cannot_be_set_leaves_nothing),
		cmocka_unit_test(a_second_open_finds_the_same_tree),
		cmocka_unit_test(purge_ends_what_an_earlier_ebbd_left),
		cmocka_unit_test(ebbds_own_place_is_beside_the_instances_and_purging_spares_it),
		cmocka_unit_test(a_delegated_cgroup_is_used_and_room_is_made_in_it),
	};

	return cmocka_run_group_tests_name("cgroup", tests, setup, teardown);
}
