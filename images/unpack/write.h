/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a file of one entry of a layer. */
#ifndef EBB_IMAGES_UNPACK_WRITE_H
#define EBB_IMAGES_UNPACK_WRITE_H

#include "images/unpack/place.h"

struct entry_source {
	struct archive_entry *entry;
	struct archive *in; /* positioned at the data of the entry */
	const char *link;   /* for a hard link: the path of its target; else NULL */
};

/* Writes the entry to path. 0, or -errno; *cause then is a sentence about the failure, or
 * unchanged. */
int write_entry(struct place *p, const struct entry_source *source, const char *path,
		const char **cause);

#endif
