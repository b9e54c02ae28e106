/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_HOARD_H
#define PROBE_HOARD_H

/* Takes up to `most` of one kind of thing that the kernel counts by user or by host, and keeps
 * them. How many it got; *err is why there were no more (0: most). -1: no such kind. Of "tcp",
 * "udp", "unix", "netlink" and "pipe" the number is of KiB queued in buffers. */
long hoard(const char *kind, long most, int *err);

/* Locks and watches one path, or looks what others did. "watch", "lock", "lease": keep one;
 * "heard": how many events the watches have had. -1 and errno. */
long reach(const char *what, const char *path);

/* probe hoard KIND N: the same for whoever runs it plainly; the exit status. */
int hoard_here(char **argv);

#endif
