/* SPDX-License-Identifier: Apache-2.0 */
/* All that a program sees of a file system, for tests that compare. */
#ifndef PROBE_TREE_H
#define PROBE_TREE_H

#include "http.h"

/* GET /tree?path=P: a line for each file below P that is on P's file system. A line has type and
 * mode, uid, gid, size, mtime (seconds and nanoseconds), device and inode, and FNV-1a of the
 * content; then, in hexadecimal, the path below P, a link's target, and attributes as NAME=VALUE.
 * "-" stands for nothing. */
void on_tree(struct call *c);
/* `probe tree P` prints the same on stdout. Returns the exit status. */
int tree_print(const char *path);

#endif
