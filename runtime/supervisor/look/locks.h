/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File locks that others could wait for: a frozen holder would never let go.
 *
 * Read from the fdinfo of the instance's own descriptors (proc_pid_fdinfo(5)), never from
 * /proc/locks: opening that file takes a write lock over all locking of the host and waits for an
 * RCU grace period. 6 to 15 ms were measured, in which ebbd's only thread would do nothing else.
 */
#ifndef EBB_SUPERVISOR_LOCKS_H
#define EBB_SUPERVISOR_LOCKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct held_lock {
	pid_t pid; /* 0 = none is held */
	uint32_t major, minor;
	uint64_t inode;
};

/* The file systems that are an instance's own: nobody else can wait for a lock there. Read once for
 * each look, and compared with each descriptor. */
#define OWN_PLACES 8
struct own_files {
	uint32_t dev_count, mount_count;
	dev_t devs[OWN_PLACES];
	uint64_t mounts[OWN_PLACES]; /* a file of an overlay has the device of its layer */
};
/* Reads them as PID 1 of the instance sees them. */
void own_files_read(pid_t init_pid, struct own_files *out);

/* Whether the text of an fdinfo file names a lock on a file system that is not the instance's own.
 * *out is that lock, without its pid. */
bool lock_in_fdinfo(const char *text, const struct own_files *own, struct held_lock *out);

#endif
