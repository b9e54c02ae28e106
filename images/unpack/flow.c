// SPDX-License-Identifier: Apache-2.0
/*
 * READ, second half: layers flow out of the archive, decompressed, when they are asked for. The
 * size and the digest that the manifest gives for a layer's file are checked here only for the sake
 * of a clear error. HASH, another process, hashes the bytes that flowed, and its digest decides.
 */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

struct flow {
	struct unpack *u;
	struct member member;
	struct archive *raw; /* decompresses only; it does not read the tar inside */
	struct sha256 *hash; /* of the compressed file */
	bool empty;          /* the file has no byte at all */
	uint64_t file_bytes, tar_bytes;
	char what[96]; /* "layer 2 sha256:ab12.." */
	unsigned char file_block[BLOCK_BYTES], tar_block[BLOCK_BYTES];
};

/* ---- wishes ---- */

/* Waits for the next wish, which brings `count` descriptors for fds. */
static int next_wish(struct unpack *u, unsigned int count, int *fds)
{
	static struct wire_message m; /* large for a stack */
	const struct wire_unpack_flow *f = (const void *)m.record;
	int r = wire_recv(u->control_fd, &m);

	u->wanted = u->layer_count;
	if (r == 0 || r == -ECONNRESET)
		return 0; /* ebbd wants no further layer */
	if (r < 0 || m.head.type != WIRE_UNPACK_FLOW || m.head.size != sizeof(*f) ||
	    m.fd_count != count)
		return unpack_fail(u, -EPROTO, "ebb-unpack was asked for something strange");
	u->wanted = f->layer;
	for (unsigned int n = 0; n < count; n++)
		fds[n] = keep_fd(&m.fds[n]);
	return 0;
}

static int wish_done(struct unpack *u)
{
	const struct wire_unpack_done done = {0};
	int r;

	fd_close(&u->flow_fd);
	r = wire_send(u->control_fd, WIRE_UNPACK_DONE, &done, sizeof(done), NULL, 0);
	return r < 0 ? r : next_wish(u, 1, &u->flow_fd);
}

int flow_begin(struct unpack *u)
{
	int fds[2] = {-1, -1};
	int r = next_wish(u, 2, fds);

	if (r < 0 || u->wanted != WIRE_UNPACK_DOCUMENTS)
		return r;
	for (int n = 0; n < 2; n++) {
		if (r == 0 && u->documents[n].text)
			r = fd_write_all(fds[n], u->documents[n].text, u->documents[n].size);
		fd_close(&fds[n]);
	}
	return r < 0 ? r : wish_done(u);
}

/* ---- one layer ---- */

static la_ssize_t on_file_read(struct archive *a, void *self, const void **out)
{
	struct flow *f = self;
	ssize_t n = member_read(f->u, &f->member, f->file_block, BLOCK_BYTES);

	if (n >= 0 && sha256_update(f->hash, f->file_block, (size_t)n) < 0)
		n = unpack_fail(f->u, -EIO, "%s: hashing failed", f->what);
	if (n < 0) {
		archive_set_error(a, EINVAL, "%s", f->u->err);
		return ARCHIVE_FATAL;
	}
	f->file_bytes += (uint64_t)n;
	*out = f->file_block;
	return n;
}

static int raw_open(struct flow *f)
{
	struct archive_entry *e;

	f->raw = archive_read_new();
	if (!f->raw)
		return -ENOMEM;
	archive_read_support_format_raw(f->raw);
	archive_read_support_format_empty(f->raw);
	archive_read_support_filter_gzip(f->raw);
	archive_read_support_filter_zstd(f->raw);
	if (archive_read_open(f->raw, f, NULL, on_file_read, NULL) == ARCHIVE_OK) {
		int r = archive_read_next_header(f->raw, &e);

		f->empty = r == ARCHIVE_EOF;
		if (r >= ARCHIVE_WARN)
			return 0;
	}
	return unpack_fail(f->u, -EINVAL, "%s: cannot be read: %s", f->what,
			   archive_error_string(f->raw));
}

static int check_growth(struct flow *f)
{
	struct unpack *u = f->u;

	if (u->bytes > u->job->bytes_max)
		return unpack_fail(u, -EFBIG,
				   "%s: the image is over %" PRIu64 " MiB unpacked (image_max_mb)",
				   f->what, u->job->bytes_max >> 20);
	if (f->tar_bytes > BOMB_BYTES && f->tar_bytes / BOMB_RATIO > f->file_bytes)
		return unpack_fail(u, -EFBIG, "%s: grows more than %" PRIu64 " times", f->what,
				   BOMB_RATIO);
	return 0;
}

static int pump(struct flow *f)
{
	while (!f->empty) {
		la_ssize_t n = archive_read_data(f->raw, f->tar_block, BLOCK_BYTES);
		int r;

		if (n == 0)
			return 0;
		if (n < 0)
			return unpack_fail(f->u, -EINVAL, "%s: cannot be decompressed: %s", f->what,
					   archive_error_string(f->raw));
		f->tar_bytes += (uint64_t)n;
		f->u->bytes += (uint64_t)n;
		r = check_growth(f);
		if (r == 0)
			r = fd_write_all(f->u->flow_fd, f->tar_block, (size_t)n);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Checks the size and the digest of the file. Bytes behind the compressed tar are part of both. */
static int check_file(struct flow *f, const struct descriptor *blob)
{
	uint8_t found[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	const void *unused;
	la_ssize_t n;

	while ((n = on_file_read(f->raw, f, &unused)) > 0)
		;
	if (n < 0 || sha256_final(f->hash, found) < 0)
		return unpack_fail(f->u, -EIO, "%s: hashing failed", f->what);
	if (!blob || memcmp(found, blob->digest, DIGEST_SIZE) == 0)
		return 0;
	text_hex(hex, found, DIGEST_SIZE);
	return unpack_fail(f->u, -EINVAL, "%s: digest is sha256:%s: the archive is damaged",
			   f->what, hex);
}

static struct flow *flow_new(struct unpack *u)
{
	struct flow *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->u = u;
	f->hash = sha256_new();
	return f;
}

static void flow_free(struct flow *f)
{
	if (!f)
		return;
	if (f->raw)
		archive_read_free(f->raw);
	member_close(&f->member);
	sha256_free(f->hash);
	free(f);
}

static int open_member(struct flow *f, uint32_t index, const char *name,
		       const struct descriptor *blob)
{
	struct unpack *u = f->u;
	int r;

	(void)text_format(f->what, sizeof(f->what), "layer %" PRIu32 " %s%.64s", index + 1,
			  blob ? "sha256:" : "", blob ? blob->hex : name);
	r = member_open(u, name, &f->member);
	if (r == -ENOENT)
		return unpack_fail(u, r, "%s: is not in the archive", f->what);
	if (r == 0 && blob && f->member.size != blob->size)
		r = unpack_fail(u, -EINVAL, "%s: is %" PRIu64 " bytes, the manifest says %" PRIu64,
				f->what, f->member.size, blob->size);
	return r;
}

int flow_layer(struct unpack *u, uint32_t index, const char *name, const struct descriptor *blob)
{
	struct flow *f;
	int r;

	if (u->wanted != index)
		return 0;
	f = flow_new(u);
	r = f && f->hash ? open_member(f, index, name, blob) : -ENOMEM;
	if (r == 0)
		r = raw_open(f);
	if (r == 0)
		r = pump(f);
	if (r == 0)
		r = check_file(f, blob);
	flow_free(f);
	return r < 0 ? r : wish_done(u);
}

int flow_source(struct unpack *u)
{
	struct flow *f;
	int r;

	u->layer_count = 1;
	r = next_wish(u, 1, &u->flow_fd);
	if (r < 0 || u->wanted != 0)
		return r;
	f = flow_new(u);
	r = f && f->hash ? 0 : -ENOMEM;
	if (r == 0) {
		(void)text_copy(f->what, sizeof(f->what), "root file system");
		r = member_open_source(u, &f->member);
	}
	if (r == 0)
		r = raw_open(f);
	if (r == 0)
		r = pump(f);
	if (r == 0)
		r = check_file(f, NULL);
	flow_free(f);
	return r < 0 ? r : wish_done(u);
}
