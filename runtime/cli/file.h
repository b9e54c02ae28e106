/* SPDX-License-Identifier: Apache-2.0 */
/* Reads whole small files (configuration) up to a bound. */
#ifndef EBB_CLI_FILE_H
#define EBB_CLI_FILE_H

#include <stddef.h>

/* Reads a file ("-" is standard input) of at most 1 MiB. 0 and *out, NUL-terminated (free it);
 * -EFBIG; -errno. */
int file_read(const char *path, char **out, size_t *out_size);

/* Opens a regular file of a directory that somebody else may have filled. Follows no link out of
 * the directory and does not block (openat2(2), RESOLVE_BENEATH). Returns a descriptor; -EXDEV or
 * -ELOOP for a link that leads out; -EINVAL for a file that is not regular; -errno. */
int file_open_beneath(int dir_fd, const char *name);
/* Opens such a file and reads it as file_read does. */
int file_read_beneath(int dir_fd, const char *name, char **out, size_t *out_size);
/* 0 if the path leads to a directory by the same rules, -EXDEV if it leads out, -errno. */
int file_is_directory_beneath(int dir_fd, const char *name);

#endif
