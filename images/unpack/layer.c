// SPDX-License-Identifier: Apache-2.0
/* APPLY: applies a plain tar to the root. HASH, another process, counts and hashes the bytes of the
 * tar on their way here; the result is not used if they are not the promised bytes. */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define TAR_BLOCK 512

struct layer {
	struct unpack *u;
	uint64_t tar_bytes;
	bool padded, linked;
	char what[40];
	unsigned char block[BLOCK_BYTES];
};

/* umoci ends a layer right behind the last byte of the last file. If a diff_id was promised, which
 * proves that no byte is missing, the zeros up to a full block are supplied. They are not part of
 * any digest. */
static la_ssize_t pad(struct layer *l, const void **out)
{
	size_t missing = (TAR_BLOCK - l->tar_bytes % TAR_BLOCK) % TAR_BLOCK;

	if (l->padded || !l->u->job->promised || missing == 0)
		return 0;
	l->padded = true;
	memset(l->block, 0, missing);
	*out = l->block;
	return (la_ssize_t)missing;
}

/* Called when libarchive wants bytes of the tar. */
static la_ssize_t on_read(struct archive *a, void *self, const void **out)
{
	struct layer *l = self;
	ssize_t n = fd_read_all(l->u->source_fd, l->block, sizeof(l->block));

	if (n < 0) {
		archive_set_error(a, (int)-n, "cannot be read");
		return ARCHIVE_FATAL;
	}
	if (n == 0)
		return pad(l, out);
	l->tar_bytes += (uint64_t)n;
	*out = l->block;
	return n;
}

/* Reads the bytes behind the end of the tar, so that HASH can pass and hash them, too. */
static int drain(struct layer *l)
{
	ssize_t n;

	while ((n = fd_read_all(l->u->source_fd, l->block, sizeof(l->block))) > 0)
		l->tar_bytes += (uint64_t)n;
	return n < 0 ? (int)n : 0;
}

static int apply(struct layer *l)
{
	struct archive *tar = archive_read_new();
	int r;

	if (!tar)
		return -ENOMEM;
	archive_read_support_format_tar(tar);
	archive_read_support_format_empty(tar);
	if (archive_read_open(tar, l, NULL, on_read, NULL) == ARCHIVE_OK)
		r = tar_unpack(l->u, l->what, tar, &l->tar_bytes, &l->linked);
	else
		r = unpack_fail(l->u, -EINVAL, "%s: is not a tar: %s", l->what,
				archive_error_string(tar));
	archive_read_free(tar);
	return r < 0 ? r : drain(l);
}

int layer_apply(struct unpack *u)
{
	struct layer *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->u = u;
	if (u->job->format == WIRE_IMAGE_ROOTFS_TAR)
		(void)text_copy(l->what, sizeof(l->what), "root file system");
	else
		(void)text_format(l->what, sizeof(l->what), "layer %" PRIu32, u->job->layer + 1);
	u->claimed = u->job->bytes_used;
	u->entries = u->job->entries_used;
	r = apply(l);
	if (r == 0 && u->tree_fd >= 0)
		r = tidy(u, u->tree_fd, l->linked);
	free(l);
	return r;
}
