/* SPDX-License-Identifier: Apache-2.0 */
/* A file that stands under its name when all of it is written, and not before. */
#ifndef EBB_CLI_DOWNLOAD_H
#define EBB_CLI_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct download {
	const char *path; /* borrowed; NULL: standard output */
	int fd;
	bool direct,
		named; /* direct: there is no file to put in place; named: "PATH.part" exists */
	uint64_t bytes;
};

/* Opens a file without a name beside path, so that a kill leaves nothing; where the file system
 * knows no such files, it is "PATH.part". A path that is a pipe or a device is written as it is. 0
 * or -errno. */
int download_open(struct download *d, const char *path);
int download_put(struct download *d, const void *bytes, size_t size); /* 0 or -errno */
/* Puts the file in its place, synced. 0 or -errno. */
int download_keep(struct download *d);
/* Closes it; a file that was not kept is gone. */
void download_close(struct download *d);

#endif
