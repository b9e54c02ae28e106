/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_HOARD_H
#define PROBE_HOARD_H

#include "http.h"

/* ?what=KIND&n=N makes up to N of one kind of thing that the kernel counts by user or by host, and
 * keeps them. {"made", "errno"}: how many, and the error that ended it, "" for none. With "tcp",
 * "udp", "unix", "netlink" and "pipe" both numbers are KiB that are queued in buffers. */
void on_hoard(struct call *c);
/* ?what=WORD&path=PATH. watch, lock, record, lease: takes one of these on PATH and keeps it; heard:
 * how many events the watches have had; rename: makes, renames and removes a directory in PATH;
 * remake: removes PATH and makes it anew first. {"got", "errno"}: got is negative on an error. */
void on_reach(struct call *c);
/* Does as servers do that begin as root: makes the directory path, gives it to a user, becomes that
 * user, and then tries to be root again. The answer has a word for each step. */
void on_become(struct call *c);
/* `probe hoard KIND N` does as on_hoard() does and prints the answer. Returns the exit status. */
int hoard_here(char **argv);

#endif
