/* SPDX-License-Identifier: Apache-2.0 */
/* All that a program sees of a file system, for tests that compare. */
#ifndef PROBE_TREE_H
#define PROBE_TREE_H

#include "http.h"

/* GET /tree?path=P: a line per file below P, on its file system only. In a line: the type and mode,
 * uid, gid, size, mtime (seconds and nanoseconds), device and inode, FNV-1a of the content; in
 * hexadecimal the path below P, a link's target, and attributes as NAME=VALUE. "-" is nothing. */
void on_tree(struct call *c);
/* The same on stdout: `probe tree P`. The exit code. */
int tree_print(const char *path);

#endif
