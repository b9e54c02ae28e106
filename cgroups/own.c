// SPDX-License-Identifier: Apache-2.0
/*
 * Where ebbd and its programs compete for CPUs, where the cpu controller is v1's: <tree>/own,
 * beside the instances and with more weight than all of them together.
 *
 * In the root of the hierarchy, where they were started, each session counts as one group
 * (sched_autogroup) beside the whole tree, and an instance that forks, executes or switches all the
 * time kept a gateway waiting for 1 to 2 ms at each wake-up, whatever the weights were.
 */
#include "cgroups/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"

#define OWN        "own" /* beside "instances", which has them all */
#define OWN_SHARES "10240"

int cgroup_own_enter(const struct cgroup_tree *t)
{
	unsigned int home = t->home[CGROUP_CPU];
	int tree_fd = t->at[home].tree_fd, r;

	if (home == 0)
		return 0;
	if (mkdirat(tree_fd, OWN, 0755) < 0 && errno != EEXIST)
		return -errno;
	r = fd_write_file_at(tree_fd, OWN "/cpu.shares", OWN_SHARES);
	return r < 0 ? r : fd_write_file_at(tree_fd, OWN "/cgroup.procs", "0");
}

/* The directory may also be an earlier ebbd's; the ebbd that ends it must find it. */
void cgroup_own_leave(const struct cgroup_tree *t)
{
	const struct cgroup_hierarchy *h = &t->at[t->home[CGROUP_CPU]];
	char list[4096], *next;

	if (t->home[CGROUP_CPU] == 0)
		return;
	if (fd_read_file_at(h->tree_fd, OWN "/cgroup.procs", list, sizeof(list)) > 0)
		for (char *line = strtok_r(list, "\n", &next); line;
		     line = strtok_r(NULL, "\n", &next))
			(void)fd_write_file_at(h->base_fd, "cgroup.procs", line);
	(void)unlinkat(h->tree_fd, OWN, AT_REMOVEDIR);
}
