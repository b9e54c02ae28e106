/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files below one directory. The kernel itself opens nothing outside of the directory for any
 * name (openat2(2), RESOLVE_BENEATH): links of the image that lead out are as if they were not
 * there.
 */
#ifndef EBB_STATIC_FILE_H
#define EBB_STATIC_FILE_H

#include <stdbool.h>
#include <stdint.h>

#define TAG_BYTES 40

struct file {
	int fd; /* the owner closes it */
	uint64_t size;
	int64_t changed_s;    /* mtime, no later than now */
	unsigned int codings; /* bits 1 << enum coding: compressed ones lie beside it */
	char tag[TAG_BYTES];  /* a strong entity tag of the content, with its quotes */
};

/* Opens the root. -errno; also when the kernel has no openat2. */
int root_open(const char *path);

/* Opens the file that a name (path.h) stands for: the file itself, then with .html behind it if
 * `clean`, then the index.html of the directory; with `slash` the directory comes first, and the
 * file itself never. `found` gets the name of what was opened. -ENOENT if there is none of them,
 * -errno if it cannot be opened for another reason. */
int file_find(int root_fd, const char *name, bool slash, bool clean, struct file *out, char *found);
/* Opens this very file, or its compressed sibling with that suffix. */
int file_open(int root_fd, const char *name, const char *suffix, struct file *out);

#endif
