/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small files (configuration), bounded. */
#ifndef EBB_CLI_FILE_H
#define EBB_CLI_FILE_H

#include <stddef.h>

/* Reads a file ("-" is standard input) of at most 1 MiB. 0 and *out (free it), -EFBIG, -errno. */
int file_read(const char *path, char **out, size_t *out_size);

/* Opens a regular file of a directory that somebody else may have filled. Follows no link out of
 * the directory and does not wait (openat2(2), RESOLVE_BENEATH). A descriptor, -EXDEV, -ELOOP,
 * -EINVAL: no regular file, -errno. */
int file_open_beneath(int dir_fd, const char *name);
/* The same, read. */
int file_read_beneath(int dir_fd, const char *name, char **out, size_t *out_size);

#endif
