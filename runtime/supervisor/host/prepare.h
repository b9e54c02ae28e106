/* SPDX-License-Identifier: Apache-2.0 */
/* ebbd prepares the host before it does anything else: limits, directories, its lock, mounts. */
#ifndef EBB_SUPERVISOR_PREPARE_H
#define EBB_SUPERVISOR_PREPARE_H

#include <stddef.h>
#include <sys/types.h>

#include "runtime/base/fault.h"
#include "runtime/supervisor/host/config.h"

struct host_directory {
	const char *path;
	mode_t mode;
	uid_t owner; /* and group */
};

/* All return 0, or -errno with a sentence where there is one to say. */
int host_open_stdin(void); /* 0 is /dev/null: no descriptor of ours comes there */
/* The memory of ebbd has environments of services, and so values of secrets: it leaves no core
 * (prctl(2), PR_SET_DUMPABLE). */
int host_leave_no_core(void);
/* ebbd needs ten descriptors for each instance, and gateways need as many. Raises ebbd's limit of
 * open files to the most that the host allows, and lowers nofile_max to that. */
int host_raise_limits(struct config *config);
int host_make_directories(const struct host_directory *dirs, size_t count, struct fault *f);
/* One ebbd per run directory. *out_fd holds the lock, and must be the only descriptor of its file:
 * the kernel gives the lock up when any descriptor of the file is closed (fcntl(2)). */
int host_take_lock(const char *run_dir, int *out_fd, struct fault *f);
/* All that ebb mounts lives in a mount namespace of its own and vanishes with it. */
int host_make_mounts_private(struct fault *f);
/* The first of ebb's programs that is not in dir, or NULL. */
const char *host_missing_program(const char *dir);
/* Before it is done again by another binary: those of the one before are in its way. */
void host_forget_programs(const char *dir);
/* Keeps ebb's programs as they are now, below dir, which becomes libexec_dir: a program that dies
 * comes back as the version that ebbd is, even if another one was installed meanwhile. dir exists
 * and is seen by nobody else. */
int host_keep_programs(struct config *config, const char *dir, struct fault *f);

#endif
