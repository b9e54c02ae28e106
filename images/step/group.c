// SPDX-License-Identifier: Apache-2.0
/* A build that root runs is in a control group of its own, in a tree named after the build's range
 * of ids (ids.c). The next holder of the range removes groups that a killed build left. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cgroups/cgroup.h"
#include "images/step/step.h"
#include "runtime/base/clock.h"
#include "runtime/base/fault.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define GONE_MS   5000
#define TRIES_MAX 8

struct step_group {
	struct cgroup_tree *tree;
	struct cgroup leaf;
	bool made;
};

/* Errors of a tree that its last holder takes away. */
static bool is_of_the_end(int r)
{
	return r == -ESTALE || r == -ENOENT || r == -ENODEV;
}

static int make_leaf(struct step_group *g, const struct step_plan *plan)
{
	const struct cgroup_limits limits = {.memory_bytes = plan->memory_bytes,
					     .cpu_milli = (uint32_t)plan->cpu_milli,
					     .pids_max = (uint32_t)plan->pids};
	int r = cgroup_tree_purge(g->tree, GONE_MS);

	if (r >= 0)
		r = cgroup_create(g->tree, "build", "1", &limits, &g->leaf);
	g->made = r == 0;
	return r;
}

/* Opens the tree of this range and keeps it. A build in another mount namespace (a container, a
 * chroot) may have a lock of its own on the same range, and the same groups: -EBUSY. One that ends
 * removes the tree, so that a call of cgroup_tree_open may find half of it: it is opened again. */
static int take_tree(const char *name, struct cgroup_tree **out, struct fault *f)
{
	int r = -ESTALE;

	for (int tries = 0; tries < TRIES_MAX && is_of_the_end(r); tries++) {
		struct cgroup_tree *tree = NULL;

		*f = (struct fault){0};
		r = cgroup_tree_open(name, &tree, f);
		if (r == 0)
			r = cgroup_tree_hold(tree);
		if (r < 0)
			fault_errno(f, r, "another build has the control group %s", name);
		if (r == 0)
			*out = tree;
		else
			cgroup_tree_close(tree);
	}
	return is_of_the_end(r) ? -EBUSY : r;
}

int group_open(const struct step_plan *plan, const struct step_ids *ids, struct step_group **out,
	       struct fault *f)
{
	struct step_group *g = calloc(1, sizeof(*g));
	char name[32];
	int r;

	if (!g)
		return -ENOMEM;
	(void)text_format(name, sizeof(name), "ebb-build-%u", ids->slot);
	r = take_tree(name, &g->tree, f);
	if (r == 0) {
		r = make_leaf(g, plan);
		if (r < 0)
			fault_errno(f, r, "cannot make the control group %s/build/1", name);
	}
	if (r < 0) {
		group_close(g);
		return r;
	}
	*out = g;
	return 0;
}

int group_join(struct step_group *g, int pid)
{
	return cgroup_attach(g->tree, &g->leaf, pid);
}

bool group_ran_out(struct step_group *g)
{
	uint64_t kills = 0;

	return g && cgroup_oom_kills(g->tree, &g->leaf, &kills) == 0 && kills > 0;
}

void group_close(struct step_group *g)
{
	uint64_t end_ns = clock_mono_ns() + GONE_MS * NS_PER_MS;

	if (!g)
		return;
	if (g->made) {
		/* A killed process stays in its group until the kernel has taken it apart: EBUSY.
		 * cgroup.events then tells that the group is empty. */
		while (cgroup_remove(g->tree, &g->leaf) == -EBUSY && clock_mono_ns() < end_ns) {
			struct pollfd event = {.fd = g->leaf.events_fd, .events = POLLPRI};

			(void)poll(&event, 1, 10);
		}
		cgroup_fini(&g->leaf);
	}
	if (g->tree) {
		cgroup_tree_remove(g->tree);
		cgroup_tree_close(g->tree);
	}
	free(g);
}
