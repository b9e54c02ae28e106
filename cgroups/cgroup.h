/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups of instances: one tree owned by ebb, <base>/<tree>/instances/<number>, in pure v2 or
 * hybrid mode.
 *
 * Runs in ebbd (root), and in builds of images (images/step) for a tree of their own. Freezing,
 * killing and cpu.stat always come from the cgroup2 mount (they need no controller); limits come
 * from v2 where its controllers are enabled, else from the v1 hierarchies. Only cgroups/limits.c
 * knows which file a limit goes to. A cgroup directory is used once, and only leaves are killed:
 * cgroup.kill on a directory or its ancestor makes later CLONE_INTO_CGROUP children there die at
 * birth. Documentation/admin-guide/cgroup-v2.rst. Nothing here logs or sleeps.
 */
#ifndef EBB_CGROUPS_CGROUP_H
#define EBB_CGROUPS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fault;
struct cgroup_tree; /* ebb's part of every hierarchy on this host */

/* Opens ebb's tree in every hierarchy: finds the mounts (/proc/self/mountinfo, proc(5)), makes the
 * directory <name>, and enables controllers. In v2 <name> is below the root, or below our own
 * cgroup if it was delegated to us and we can move out of the way; in v1 it is below the root of
 * each hierarchy. 0 and *out (cgroup_tree_close frees it), or -errno with a fault that says what is
 * missing and how to mend it. */
int cgroup_tree_open(const char *name, struct cgroup_tree **out, struct fault *f);
/* Keeps the tree for this caller until it is closed, by a lock on its directory (flock(2)). All
 * programs that see the same hierarchies see the lock, also from containers with other files. 0;
 * -EBUSY: another one has it; -ESTALE: another one has removed it meanwhile, open it again; or
 * -errno. */
int cgroup_tree_hold(struct cgroup_tree *t);
/* Removes the tree's directories (which must be empty of processes); NULL is fine. */
void cgroup_tree_remove(struct cgroup_tree *t);
void cgroup_tree_close(struct cgroup_tree *t);
/* Removes the instances that an earlier ebbd left in this tree: thaws them, kills the leaves,
 * removes the directories. Blocks until they are gone (poll on cgroup.events), for timeout_ms at
 * most. Returns the number of leaves, or -errno (-ETIMEDOUT: the time is over). */
/* The tree in cgroup2, a directory; borrowed. */
int cgroup_tree_fd(const struct cgroup_tree *t);
int cgroup_tree_purge(struct cgroup_tree *t, uint32_t timeout_ms);
/* The same for the leaves below one directory of the tree, but those ("instances/7") for which keep
 * says yes. Nobody is moved. */
int cgroup_tree_purge_but(struct cgroup_tree *t, const char *dir, uint32_t timeout_ms,
			  bool (*keep)(void *self, const char *path), void *self);
/* Moves the caller, and the children it starts later, into a directory of the tree beside the
 * instances, in the hierarchy that has the cpu controller. 0 or -errno. Purging and removing the
 * tree move them out again. */
int cgroup_own_enter(const struct cgroup_tree *t);
/* This process alone goes where it was before. 0 or -errno. */
int cgroup_own_step_out(const struct cgroup_tree *t);
/* The abilities of this host; hybrid: some limits come from v1. For ebb doctor and the log. */
struct cgroup_abilities {
	bool hybrid, memory, cpu, pids, memory_high, oom_group, frozen_time;
};
struct cgroup_abilities cgroup_abilities(const struct cgroup_tree *t);

struct cgroup_limits {
	uint64_t memory_bytes; /* 0 = no limit, also below */
	uint32_t cpu_milli;    /* 1000 = one CPU */
	uint32_t pids_max;
};

/* One leaf. Descriptors are owned; freeze_fd may be duplicated for gateways (write-only). */
struct cgroup {
	char path[512]; /* relative to the tree: the two names given to cgroup_create */
	int dir_fd;     /* cgroup2 directory */
	int freeze_fd;  /* cgroup.freeze, write-only */
	int events_fd;  /* cgroup.events, read-only */
	int stat_fd;    /* cpu.stat, read-only */
	uint64_t id;    /* inode of the cgroup2 directory */
};

/* Makes the leaf in every hierarchy and writes its limits; a limit that can't be set is an error
 * and leaves nothing behind. 0 and *out or -errno; -EEXIST if the name was used before. */
int cgroup_create(struct cgroup_tree *t, const char *service, const char *instance,
		  const struct cgroup_limits *limits, struct cgroup *out);
/* Sets the limits of a leaf made before it was known what it would be for. 0 or -errno. */
int cgroup_set_limits(struct cgroup_tree *t, const struct cgroup *g,
		      const struct cgroup_limits *limits);
/* Puts the leaf behind the others, or (behind false) in front again, with cpu.idle (Linux 5.15): a
 * leaf behind runs only while no leaf in front wants the CPU, and leaves in front preempt it at
 * once. 0, -ENOENT on older kernels, or -errno. */
int cgroup_go_behind(struct cgroup_tree *t, const struct cgroup *g, bool behind);
/* Nobody is in the leaf any more, but the rest of some exits may wait for a CPU: it gets no quota,
 * and the most weight among the leaves. Failures are no harm. */
void cgroup_hurry(struct cgroup_tree *t, const struct cgroup *g);
/* Opens cgroup.procs of the leaf in each v1 hierarchy, write-only. CLONE_INTO_CGROUP puts a child
 * into cgroup2 only; the child's pid has to be written into these files. A move costs an RCU grace
 * period (4-12 ms), so children are moved ahead of need. Returns the number of descriptors, which
 * the caller closes: 0 in pure v2; or -errno. */
#define CGROUP_JOINS_MAX 3
int cgroup_joins(struct cgroup_tree *t, const struct cgroup *g, int fds[CGROUP_JOINS_MAX]);
/* Moves a process (not a thread) into the leaf, in every hierarchy. 0 or -errno. */
int cgroup_attach(struct cgroup_tree *t, const struct cgroup *g, pid_t pid);
void cgroup_fini(struct cgroup *g); /* closes descriptors only */
/* Removes the leaf in every hierarchy. 0, -EBUSY while its last task exits (try again), or
 * -errno. */
int cgroup_remove(struct cgroup_tree *t, struct cgroup *g);

/* Asks the kernel to freeze or thaw; only cgroup_frozen tells that it happened. 0 or -errno. */
int cgroup_freeze(struct cgroup *g);
int cgroup_thaw(struct cgroup *g);
/* Facts of cgroup.events: 1, 0 or -errno. */
int cgroup_frozen(const struct cgroup *g);
int cgroup_populated(const struct cgroup *g);
/* SIGKILL to everything inside (cgroup.kill). 0 or -errno. */
int cgroup_kill(struct cgroup *g);

struct cgroup_cpu {
	uint64_t usage_us, user_us, system_us;
};
/* cpu.stat; exact when no task of the leaf is on a CPU, else up to one tick behind. 0 or -errno. */
int cgroup_cpu(const struct cgroup *g, struct cgroup_cpu *out);
/* cpu.pressure: the time in us, cumulative, in which at least one task of the leaf waited for a
 * CPU. 0, -ENODATA without PSI, or -errno. Documentation/accounting/psi.rst. */
int cgroup_stalled_us(const struct cgroup *g, uint64_t *out);
/* cgroup.stat.local, frozen_usec. 0, -ENODATA on kernels without it, or -errno. */
int cgroup_frozen_us(const struct cgroup *g, uint64_t *out);
/* The threads or processes inside, by their numbers on the host. out has room for max of them.
 * Returns how many it wrote, or -errno. */
int cgroup_threads(const struct cgroup *g, pid_t *out, uint32_t max);
int cgroup_processes(const struct cgroup *g, pid_t *out, uint32_t max);
/* Memory charged now; kills by the OOM killer (memory.events, memory.oom_control). 0 or -errno. */
int cgroup_memory_bytes(struct cgroup_tree *t, const struct cgroup *g, uint64_t *out);
int cgroup_oom_kills(struct cgroup_tree *t, const struct cgroup *g, uint64_t *out);

#endif
