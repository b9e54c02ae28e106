/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the state directory. They are read whole, and written so that a power cut leaves the old
 * file or the new one. All of these block on the disk. */
#ifndef EBB_API_STATE_H
#define EBB_API_STATE_H

#include <stddef.h>

struct fault;
struct json;
struct json_out;

/* Makes a directory if it is not there and opens it. Its descriptor or -errno. */
int state_dir(int dir_fd, const char *name);
/* Replaces <name> by a finished document: temporary file, fsync, rename, fsync of the directory. 0
 * or -errno. */
int state_write_json(int dir_fd, const char *name, const struct json_out *o);
/* Reads and parses a file. 0 and *out (json_free it), -ENOENT without a sentence, or -errno with a
 * sentence in f. */
int state_read_json(int dir_fd, const char *name, struct json **out, struct fault *f);
/* Removes a file durably. 0 (also when it was not there) or -errno. */
int state_remove(int dir_fd, const char *name);
/* Calls each(ctx, name) for every file whose name ends with suffix. 0, -errno, or the first value
 * other than 0 that `each` returned, which ends the walk. */
int state_list(int dir_fd, const char *suffix, int (*each)(void *ctx, const char *name), void *ctx);

#endif
