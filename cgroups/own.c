// SPDX-License-Identifier: Apache-2.0
/*
 * Where ebbd and its programs compete for CPUs: <tree>/own, beside the instances and with more
 * weight than all of them together, in the hierarchy that has the cpu controller.
 *
 * Otherwise they would stay in the cgroup in which ebbd was started. In the root of a v1 hierarchy
 * each session counts as one group (sched_autogroup) beside the whole tree: an instance that
 * forked, executed or switched all the time kept a gateway waiting for 1 to 2 ms at each wake-up,
 * whatever the weights were. In v2 they would be in the root, too, or in a leaf that weighs as much
 * as the tree. The tree has controllers enabled for its children, so it may hold no processes
 * itself; "own" is a leaf of the tree (Documentation/admin-guide/cgroup-v2.rst, "No Internal
 * Process Constraint" and "Weights").
 */
#include "cgroups/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define OWN        "own" /* beside "instances", which has them all */
#define LIST_BYTES 16384 /* 2,000 numbers; 64 gateways and 16 imports are a tenth of that */

/* Ten times the weight of a directory that nobody gave one. */
static const struct weight {
	const char *file, *value;
} weight_v2 = {OWN "/cpu.weight", "1000"}, weight_v1 = {OWN "/cpu.shares", "10240"};

static const struct cgroup_hierarchy *cpu_hierarchy(const struct cgroup_tree *t)
{
	return &t->at[t->home[CGROUP_CPU]];
}

int cgroup_own_enter(const struct cgroup_tree *t)
{
	const struct weight *weight = t->home[CGROUP_CPU] == 0 ? &weight_v2 : &weight_v1;
	int tree_fd = cpu_hierarchy(t)->tree_fd, r;

	must(t->home[CGROUP_CPU] < t->count);
	if (mkdirat(tree_fd, OWN, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = fd_write_file_at(tree_fd, weight->file, weight->value);
	return r < 0 ? r : fd_write_file_at(tree_fd, OWN "/cgroup.procs", "0");
}

/* A process that leaves goes to the base. In v2 a base that is not the root has controllers enabled
 * for the tree, so it can hold no processes (-EBUSY): then the process goes to the supervisor leaf
 * beside the tree. */
static int leave(const struct cgroup_hierarchy *h, const char *pid)
{
	int r = fd_write_file_at(h->base_fd, "cgroup.procs", pid);

	if (r != -EBUSY)
		return r;
	if (mkdirat(h->base_fd, CGROUP_SUPERVISOR_LEAF, 0755) < 0 && errno != EEXIST)
		return -errno;
	return fd_write_file_at(h->base_fd, CGROUP_SUPERVISOR_LEAF "/cgroup.procs", pid);
}

int cgroup_own_step_out(const struct cgroup_tree *t)
{
	return leave(cpu_hierarchy(t), "0");
}

/* The directory may be that of an earlier ebbd, which a purge has to empty, too. */
void cgroup_own_leave(const struct cgroup_tree *t)
{
	const struct cgroup_hierarchy *h = cpu_hierarchy(t);
	char list[LIST_BYTES], *next;
	int r = 0;

	/* Until the list is empty: members may have forked meanwhile. */
	while (r == 0 && fd_read_file_at(h->tree_fd, OWN "/cgroup.procs", list, sizeof(list)) > 0)
		for (char *line = strtok_r(list, "\n", &next); line && r == 0;
		     line = strtok_r(NULL, "\n", &next)) {
			r = leave(h, line);
			if (r == -ESRCH) /* it died meanwhile */
				r = 0;
		}
	(void)unlinkat(h->tree_fd, OWN, AT_REMOVEDIR);
}
