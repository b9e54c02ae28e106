/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting ebb's own unprivileged programs, confined before their first instruction: own uid, no
 * capabilities, no_new_privs, own mount, network, IPC and UTS namespaces, an empty read-only root
 * (or one directory as root), and only the descriptors named here. They load their seccomp filter
 * themselves before the first foreign byte: a filter that lets execve(2) through would be weaker.
 * One program has more: ebb-net (rules_network).
 */
#ifndef EBB_SUPERVISOR_LAUNCH_H
#define EBB_SUPERVISOR_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct launch {
	const char *name;      /* argv[0] */
	const char *binary;    /* absolute path of a static program */
	const char *stage_dir; /* absolute, empty: mount point of the new root while it is made */
	const char *root_dir;  /* becomes "/", writable; NULL = empty and read-only */
	uint32_t uid;          /* and gid */
	bool rules_network;    /* keeps the host's network namespace, and CAP_NET_ADMIN alone */
	int control_fd;        /* becomes 3; borrowed */
	int extra_fd;          /* becomes 4, or -1; borrowed */
	int log_fd;            /* becomes 1 and 2; borrowed */
};

/* Forks and executes. 0 with *out_pid and an owned *out_pid_fd, or -errno of the step that failed,
 * which *out_step then names (static text). Blocks until the exec happened. */
int launch_program(const struct launch *l, pid_t *out_pid, int *out_pid_fd, const char **out_step);

#endif
