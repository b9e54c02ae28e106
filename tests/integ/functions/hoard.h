/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_HOARD_H
#define PROBE_HOARD_H

#include "http.h"

/* ?what=KIND&n=N takes up to N of one kind of thing that the kernel counts by user or by host, and
 * keeps them: {"made", "errno"}, why there were no more. Of "tcp", "udp", "unix", "netlink" and
 * "pipe" the number is of KiB queued in buffers. */
void on_hoard(struct call *c);
/* ?what=watch, lock, record, lease: keeps one of path; heard: how many events the watches have had;
 * rename, remake: changes directories there. {"got", "errno"} */
void on_reach(struct call *c);
/* As servers do that begin as root: path is made and given to the user, who the program then
 * becomes; at last it tries to be root again. One word per step. */
void on_become(struct call *c);
/* probe hoard KIND N: the same for a plain run; the exit status. */
int hoard_here(char **argv);

#endif
