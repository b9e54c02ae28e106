/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-step: runs the steps of one build, each in a sandbox of its own (README.md).
 *
 * Runs as the caller of `ebb build`: root, or a user on a host with user namespaces. ebb-step
 * itself reads nothing of the project. A program in a sandbox has no id of the host's root, no
 * capability, no network (but host_net and listen_out below), a seccomp filter, a read-only root,
 * and a memory file system of bounded size to write to. A step of the confinement that fails ends
 * the build (exit code STEP_SETUP_FAILED); it is never only a warning.
 */
#ifndef EBB_IMAGES_STEP_H
#define EBB_IMAGES_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/filter.h"

struct fault;

#define STEP_RUNS_MAX     8
#define STEP_LIST_MAX     32
#define STEP_TIME_UP      124 /* exit codes besides those of the program */
#define STEP_SETUP_FAILED 125
#define STEP_USER         1000 /* the user inside, as in every image of ours */

/* One program, and its view of the host. Strings are borrowed from argv and environ. */
struct step_run {
	const char *root; /* a directory, or NULL: the host's /usr, read-only */
	char **argv;      /* NULL-terminated copy; owned */
	const char *env[STEP_LIST_MAX + 1];
	const char *cwd;
	int keep[STEP_LIST_MAX]; /* descriptors that the program gets under the same number */
	unsigned int env_count, keep_count;
	uint64_t seconds;
	bool may_fail;  /* the next program runs even if this one failed */
	bool host_net;  /* the caller's network namespace instead of an empty one */
	int listen_out; /* a socket over which a listener of the new namespace is sent, or -1 */
};

struct step_bind {
	char path[256];   /* relative, in the root */
	const char *from; /* a file or directory of the host */
};

struct step_plan {
	const char *work; /* a directory to build on, of the caller alone */
	struct step_scratch {
		const char *in_base; /* the place of the directory in a base, relative */
		const char *in_host; /* its place in the view of the host, relative */
	} scratch[STEP_LIST_MAX];
	struct step_bind binds[STEP_LIST_MAX]; /* shown read-only where the root is the host's */
	struct step_run runs[STEP_RUNS_MAX];
	unsigned int scratch_count, bind_count, run_count;
	uint64_t memory_bytes, size_bytes, files, pids, cpu_milli;
	bool cgroups;
};

/* args.c. Parses the command line. 0, or -EINVAL with a sentence in f. plan_fini is to be called
 * after a failed parse, too. */
int plan_parse(int argc, char **argv, struct step_plan *plan, struct fault *f);
void plan_fini(struct step_plan *plan);

/* ids.c: which host ids the sandbox has. */
struct step_ids {
	bool privileged; /* root: the other namespaces belong to the host's user namespace */
	int user_ns_fd;  /* owned: the user namespace that a privileged sandbox joins last; or -1 */
	int slot_fd;     /* owned: the lock on the range, which also names the control groups */
	unsigned int slot;
	uint32_t first; /* privileged: the host's id of the sandbox's id 0 */
};
/* For root: takes a range of ids that no other process has, from number `from` on. For a user:
 * moves this process into a user namespace of its own, with the user's range of subuid(5) if there
 * is one, else with the user's own id as 1000. 0, or -errno with a sentence in f. */
int ids_open(struct step_ids *ids, unsigned int from, struct fault *f);
void ids_close(struct step_ids *ids);

/* group.c: limits of all processes of a build together, where the caller may make control groups.
 * group_open: 0 and *out; -EBUSY: another build has the groups of this range; or -errno with a
 * sentence in f. */
struct step_group;
int group_open(const struct step_plan *plan, const struct step_ids *ids, struct step_group **out,
	       struct fault *f);
int group_join(struct step_group *g, int pid);
bool group_ran_out(struct step_group *g); /* whether a process was killed for memory */
void group_close(struct step_group *g);   /* removes the group; NULL is fine */

/* root.c: the mounts. Both return 0, or -errno with the place that failed in *where (borrowed). */
int scratch_mount(const struct step_plan *plan, const struct step_ids *ids, const char **where);
int root_enter(const struct step_plan *plan, const struct step_run *run, const char **where);

/* inside.c: the first process of a sandbox; never returns. It reads a byte from go_fd before it
 * does anything else. */
struct step_place {
	const struct step_plan *plan;
	const struct step_run *run;
	const struct step_ids *ids;
	const struct filter *filter;
	int go_fd;
};
__attribute__((noreturn)) void inside_run(const struct step_place *place);

#endif
