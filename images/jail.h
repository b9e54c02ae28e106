/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a program handles foreign files for ebbd: ebb-unpack, mkfs.erofs.
 *
 * It gets mount, pid, net, ipc, uts and cgroup namespaces that belong to the host's user namespace,
 * so it has no right over any of them; a read-only root made of /usr and the links into it alone;
 * one directory, /work, seen through an id-mapped mount; and, if wanted, /root, what layers on
 * layers show. Then it joins the unpackers' user namespace as uid 0 with the few capabilities
 * named, no_new_privs and, if given, a seccomp filter, and executes. All of that stands before a
 * foreign byte is read; a step that fails ends the child.
 */
#ifndef EBB_IMAGES_JAIL_H
#define EBB_IMAGES_JAIL_H

#include <stdint.h>

#include "runtime/base/filter.h"

#define JAIL_LOWER_MAX    127 /* as many names as lowerdir holds by fsconfig(2) */
#define JAIL_SETUP_FAILED 125 /* exit code: which step and why stands on output_fd */

/* The content of /root: layers, read-only, and above them the child's changes. */
struct jail_root {
	const int *lower_fds; /* directories, highest first; borrowed */
	size_t lower_count;   /* 1..JAIL_LOWER_MAX */
	int piece_fd;     /* its "tree" takes the changes, its "work" is overlayfs's; or -1: none */
	uint32_t id_base; /* of user_ns_fd */
};

struct jail_command {
	int exe_fd; /* the program; borrowed */
	char *const *argv;
	int dir_fd; /* a directory, shown as /work with ids mapped, or -1; borrowed */
	const struct jail_root *root; /* or NULL: no /root */
	int control_fd;               /* becomes descriptor 3, or -1; borrowed */
	int output_fd;                /* becomes stdout and stderr; borrowed */
	int user_ns_fd;               /* borrowed */
	uint32_t caps;                /* bit set of CAP_*: all that execve can give */
	const struct filter *filter;  /* or NULL: the program confines itself */
	const char *mount_point;      /* absolute path of a directory to build the root on */
};

/* A user namespace whose ids 0..65535 are the host's id_base.. . 0 or -errno. */
int jail_user_ns(uint32_t id_base, int *out_fd);
/* Starts it. 0 and an owned pidfd (child.h), or -errno. */
int jail_spawn(const struct jail_command *c, int *out_pid_fd);

#endif
