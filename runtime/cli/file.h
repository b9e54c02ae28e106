/* SPDX-License-Identifier: Apache-2.0 */
/* Whole small files (configuration), bounded. */
#ifndef EBB_CLI_FILE_H
#define EBB_CLI_FILE_H

#include <stddef.h>

/* Reads a file ("-" is standard input) of at most 1 MiB. 0 and *out (free it), -EFBIG, -errno. */
int file_read(const char *path, char **out, size_t *out_size);

#endif
