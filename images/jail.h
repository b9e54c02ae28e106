/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail in which a program handles foreign files for ebbd: ebb-unpack or mkfs.erofs.
 *
 * The program gets mount, pid, net, ipc, uts and cgroup namespaces that belong to the host's user
 * namespace, so it has no right over any of them. Its root is read-only and made of /usr and the
 * links into /usr alone. It may have one directory, /work, seen through an id-mapped mount, and
 * /root, an overlay of layers or each of them for itself. The child then joins the unpackers' user
 * namespace as uid 0, keeps the few capabilities named, sets no_new_privs, loads a seccomp filter
 * if one is given, and executes the program. All of this is done before a foreign byte is read; a
 * step that fails ends the child.
 */
#ifndef EBB_IMAGES_JAIL_H
#define EBB_IMAGES_JAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/filter.h"

#define JAIL_LOWER_MAX    127 /* so many names fit lowerdir by fsconfig(2), see overlay.c */
#define JAIL_SETUP_FAILED 125 /* exit code; output_fd then has the step and the reason */

/* The content of /root: layers, read-only, and above them the child's changes. */
struct jail_root {
	const int *lower_fds; /* directories, highest first; borrowed */
	size_t lower_count;   /* 1..JAIL_LOWER_MAX */
	int piece_fd; /* "tree" in it takes the changes, "work" is overlayfs's own; -1: read-only */
	uint32_t id_base; /* of user_ns_fd */
	bool apart; /* no joined view: the last of lower_fds stands at /root/0, the one before it
		     * at /root/1, and so on; piece_fd is -1 */
};

struct jail_command {
	int exe_fd; /* the program; borrowed */
	char *const *argv;
	int dir_fd; /* a directory, shown as /work with ids mapped, or -1; borrowed */
	const struct jail_root *root; /* or NULL: no /root */
	int control_fd;               /* becomes descriptor 3, or -1; borrowed */
	int output_fd;                /* becomes stdout and stderr; borrowed */
	int user_ns_fd;               /* borrowed */
	uint32_t caps;                /* bits of CAP_*: the bounding set of the program */
	const struct filter *filter;  /* or NULL: the program confines itself */
	const char *mount_point;      /* absolute path of a directory to build the root on */
};

/* Makes a user namespace whose ids 0..65535 are the host's ids from id_base on. 0 and an owned
 * *out_fd, or -errno. */
int jail_user_ns(uint32_t id_base, int *out_fd);
/* Whether the directory can be shown in a jail: 0; -EOPNOTSUPP: its file system cannot be mounted
 * with other ids; or -errno. */
int jail_can_map(int dir_fd, int user_ns_fd);
/* Starts the program in a jail. 0 and an owned pidfd (child.h), or -errno; -EOPNOTSUPP as above. */
int jail_spawn(const struct jail_command *c, int *out_pid_fd);

#endif
