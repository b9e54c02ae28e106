/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of a layer becomes a file. */
#ifndef EBB_IMAGES_UNPACK_WRITE_H
#define EBB_IMAGES_UNPACK_WRITE_H

#include "images/unpack/place.h"

struct entry_source {
	struct archive_entry *entry;
	struct archive *in; /* stands at its data */
	const char *link;   /* a hard link to this path, or NULL */
};

/* 0, or -errno; *cause then says more, or stays. */
int write_entry(struct place *p, const struct entry_source *source, const char *path,
		const char **cause);

#endif
