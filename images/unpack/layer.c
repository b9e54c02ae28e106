// SPDX-License-Identifier: Apache-2.0
/*
 * One layer: file of the outer archive -> decompression -> tar. The bytes are hashed on both sides
 * of the decompression while they stream, so a layer that is not what the manifest (blob digest)
 * and the config (diff_id) promise is only known at its end: nothing outside the staging directory
 * has seen it then, and the whole import fails.
 */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

#define BLOCK_BYTES 65536
#define TAR_BLOCK   512

struct layer {
	struct unpack *u;
	struct member member;
	struct archive *raw; /* decompression only */
	struct sha256 *blob_hash, *diff_hash;
	uint64_t blob_bytes, tar_bytes;
	bool promised; /* a diff_id vouches for where the tar ends */
	bool padded;
	char what[96]; /* "layer 2 sha256:ab12.." */
	unsigned char blob_block[BLOCK_BYTES], tar_block[BLOCK_BYTES];
};

static int out_of_step(struct archive *a, struct layer *l)
{
	archive_set_error(a, EINVAL, "%s", l->u->err);
	return ARCHIVE_FATAL;
}

/* libarchive wants bytes of the blob. */
static la_ssize_t on_blob_read(struct archive *a, void *self, const void **out)
{
	struct layer *l = self;
	ssize_t n = member_read(l->u, &l->member, l->blob_block, BLOCK_BYTES);

	if (n >= 0 && sha256_update(l->blob_hash, l->blob_block, (size_t)n) < 0)
		n = unpack_fail(l->u, -EIO, "%s: hashing failed", l->what);
	if (n < 0)
		return out_of_step(a, l);
	l->blob_bytes += (uint64_t)n;
	*out = l->blob_block;
	return n;
}

static int check_growth(struct layer *l)
{
	if (l->u->bytes > l->u->job->bytes_max)
		return unpack_fail(l->u, -EFBIG,
				   "%s: the image is over %" PRIu64 " MiB unpacked (image_max_mb)",
				   l->what, l->u->job->bytes_max >> 20);
	if (l->tar_bytes > BOMB_BYTES && l->tar_bytes / BOMB_RATIO > l->blob_bytes)
		return unpack_fail(l->u, -EFBIG, "%s: grows more than %" PRIu64 " times", l->what,
				   BOMB_RATIO);
	return 0;
}

/* umoci ends a layer right behind the last file's last byte. Where a diff_id says that the tar is
 * whole, the missing zeros are supplied; they are not part of any digest. */
static la_ssize_t pad(struct layer *l, const void **out)
{
	size_t missing = (TAR_BLOCK - l->tar_bytes % TAR_BLOCK) % TAR_BLOCK;

	if (l->padded || !l->promised || missing == 0)
		return 0;
	l->padded = true;
	memset(l->tar_block, 0, missing);
	*out = l->tar_block;
	return (la_ssize_t)missing;
}

/* libarchive wants bytes of the tar. */
static la_ssize_t on_tar_read(struct archive *a, void *self, const void **out)
{
	struct layer *l = self;
	la_ssize_t n = archive_read_data(l->raw, l->tar_block, BLOCK_BYTES);

	if (n < 0) {
		(void)unpack_fail(l->u, -EINVAL, "%s: cannot be decompressed: %s", l->what,
				  archive_error_string(l->raw));
		return out_of_step(a, l);
	}
	if (n == 0)
		return pad(l, out);
	l->tar_bytes += (uint64_t)n;
	l->u->bytes += (uint64_t)n;
	if (check_growth(l) < 0 || sha256_update(l->diff_hash, l->tar_block, (size_t)n) < 0)
		return out_of_step(a, l);
	*out = l->tar_block;
	return n;
}

static int raw_open(struct layer *l)
{
	struct archive_entry *e;

	l->raw = archive_read_new();
	if (!l->raw)
		return -ENOMEM;
	archive_read_support_format_raw(l->raw);
	archive_read_support_filter_gzip(l->raw);
	archive_read_support_filter_zstd(l->raw);
	if (archive_read_open(l->raw, l, NULL, on_blob_read, NULL) == ARCHIVE_OK &&
	    archive_read_next_header(l->raw, &e) >= ARCHIVE_WARN)
		return 0;
	return unpack_fail(l->u, -EINVAL, "%s: cannot be read: %s", l->what,
			   archive_error_string(l->raw));
}

/* What stands behind the end of the tar is part of both digests. */
static int drain(struct layer *l)
{
	const void *unused;
	la_ssize_t n;

	while ((n = on_tar_read(l->raw, l, &unused)) > 0)
		;
	while (n == 0 && (n = on_blob_read(l->raw, l, &unused)) > 0)
		n = 0;
	return n < 0 ? unpack_fail(l->u, -EIO, "%s: hashing failed", l->what) : 0;
}

static int unpack_tar(struct layer *l)
{
	struct archive *tar = archive_read_new();
	int r;

	if (!tar)
		return -ENOMEM;
	archive_read_support_format_tar(tar);
	archive_read_support_format_empty(tar);
	if (archive_read_open(tar, l, NULL, on_tar_read, NULL) == ARCHIVE_OK)
		r = tar_unpack(l->u, l->what, tar);
	else
		r = unpack_fail(l->u, -EINVAL, "%s: is not a tar: %s", l->what,
				archive_error_string(tar));
	archive_read_free(tar);
	return r < 0 ? r : drain(l);
}

static int compare(struct layer *l, struct sha256 *hash, const uint8_t *wanted, const char *kind,
		   const char *who, uint8_t *out)
{
	char found_hex[2 * DIGEST_SIZE + 1], wanted_hex[2 * DIGEST_SIZE + 1];
	uint8_t found[DIGEST_SIZE];

	if (sha256_final(hash, found) < 0)
		return unpack_fail(l->u, -EIO, "%s: hashing failed", l->what);
	memcpy(out, found, DIGEST_SIZE);
	if (!wanted || memcmp(found, wanted, DIGEST_SIZE) == 0)
		return 0;
	text_hex(found_hex, found, DIGEST_SIZE);
	text_hex(wanted_hex, wanted, DIGEST_SIZE);
	return unpack_fail(l->u, -EINVAL, "%s: %s is sha256:%s, the %s says sha256:%s", l->what,
			   kind, found_hex, who, wanted_hex);
}

static int verify(struct layer *l, const struct descriptor *blob, const uint8_t *diff_id,
		  uint8_t *out_digest, uint8_t *out_diff_id)
{
	int r;

	if (blob && blob->has_size && l->blob_bytes != blob->size)
		return unpack_fail(l->u, -EINVAL,
				   "%s: is %" PRIu64 " bytes, the manifest says %" PRIu64, l->what,
				   l->blob_bytes, blob->size);
	r = compare(l, l->blob_hash, blob ? blob->digest : NULL, "digest", "manifest", out_digest);
	if (r < 0)
		return r;
	return compare(l, l->diff_hash, diff_id, "diff_id", "config", out_diff_id);
}

/* The member is open. Stands in /layers/<index> meanwhile. */
static int unpack_member(struct layer *l, uint32_t index, const struct descriptor *blob,
			 const uint8_t *diff_id, uint8_t *out_digest)
{
	struct wire_unpack_layer record = {.index = index};
	char dir[32];
	int r;

	(void)text_format(dir, sizeof(dir), "/layers/%" PRIu32, index);
	if (mkdir(dir, 0755) < 0 || chdir(dir) < 0)
		return unpack_fail(l->u, -errno, "cannot make %s: %s", dir, strerror(errno));
	l->promised = diff_id != NULL;
	r = raw_open(l);
	if (r == 0)
		r = unpack_tar(l);
	if (r == 0)
		r = verify(l, blob, diff_id, out_digest, record.diff_id);
	if (chdir("/") < 0)
		return -errno;
	if (r < 0)
		return r;
	memcpy(l->u->diff_ids[index], record.diff_id, DIGEST_SIZE);
	l->u->layer_count = index + 1;
	record.bytes = l->tar_bytes;
	return wire_send(l->u->control_fd, WIRE_UNPACK_LAYER, &record, sizeof(record), NULL, 0);
}

static struct layer *layer_new(struct unpack *u)
{
	struct layer *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->u = u;
	l->blob_hash = sha256_new();
	l->diff_hash = sha256_new();
	return l;
}

static void layer_free(struct layer *l)
{
	if (!l)
		return;
	if (l->raw)
		archive_read_free(l->raw);
	member_close(&l->member);
	sha256_free(l->blob_hash);
	sha256_free(l->diff_hash);
	free(l);
}

int layer_unpack(struct unpack *u, uint32_t index, const char *name, const struct descriptor *blob,
		 const uint8_t *diff_id)
{
	struct layer *l = layer_new(u);
	uint8_t unused[DIGEST_SIZE];
	int r = l && l->blob_hash && l->diff_hash ? 0 : -ENOMEM;

	if (r == 0) {
		(void)text_format(l->what, sizeof(l->what), "layer %" PRIu32 " %s%.64s", index + 1,
				  blob ? "sha256:" : "", blob ? blob->hex : name);
		r = member_open(u, name, &l->member);
		if (r == -ENOENT)
			r = unpack_fail(u, r, "%s: is not in the archive", l->what);
	}
	if (r == 0 && blob && blob->has_size && l->member.size != blob->size)
		r = unpack_fail(u, -EINVAL, "%s: is %" PRIu64 " bytes, the manifest says %" PRIu64,
				l->what, l->member.size, blob->size);
	if (r == 0)
		r = unpack_member(l, index, blob, diff_id, unused);
	layer_free(l);
	return r;
}

/* A "member" that is the source itself. */
static int source_open(struct unpack *u, struct member *out)
{
	struct archive *a = archive_read_new();

	if (!a)
		return -ENOMEM;
	archive_read_support_format_raw(a);
	(void)text_copy(out->name, sizeof(out->name), "the file");
	out->archive = a;
	if (archive_read_open_fd(a, u->source_fd, BLOCK_BYTES) == ARCHIVE_OK &&
	    archive_read_next_header(a, &out->entry) >= ARCHIVE_WARN)
		return 0;
	return unpack_fail(u, -EINVAL, "the archive cannot be read: %s", archive_error_string(a));
}

int layer_unpack_source(struct unpack *u)
{
	struct layer *l = layer_new(u);
	int r = l && l->blob_hash && l->diff_hash ? 0 : -ENOMEM;

	if (r == 0) {
		(void)text_copy(l->what, sizeof(l->what), "root file system");
		r = source_open(u, &l->member);
	}
	if (r == 0)
		r = unpack_member(l, 0, NULL, NULL, u->digest);
	layer_free(l);
	return r;
}
