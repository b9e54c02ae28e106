// SPDX-License-Identifier: Apache-2.0
/* Judges the entries of one layer (OCI image-spec layer.md): some are taken, some are left out,
 * some end the import. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "images/unpack/place.h"
#include "images/unpack/write.h"
#include "runtime/base/mem.h"

struct tar {
	struct unpack *u;
	const char *what;
	struct archive *in;
	const uint64_t *tar_bytes;
	struct place place;
	bool linked; /* files got further names */
};

enum verdict { TAKE, SKIP };

static int fail(struct tar *t, int err, const char *path, const char *cause)
{
	return unpack_fail(t->u, err, "%s: entry %.160s: %s", t->what, path, cause);
}

/* The path without leading "/" and "./"; "" is the layer's root. */
static const char *plain_path(const char *path)
{
	while (path[0] == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == '\0')))
		path++;
	return path;
}

/* The reason why a path is refused, or NULL. */
static const char *path_fault(const char *path)
{
	if (strlen(path) > PATH_BYTES_MAX)
		return "its path is too long";
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return "its path has a \"..\"";
		if (n > NAME_BYTES_MAX)
			return "its name is longer than 254 bytes, which mkfs.erofs cannot keep";
		path += n + strspn(path + n, "/");
	}
	return NULL;
}

static int hide(struct tar *t, const char *path, enum whiteout_kind kind)
{
	const char *name;
	int r;

	if (!t->place.lower)
		return 0;
	r = place_enter(&t->place, path, false, &name);
	if (r == 0 && kind == WHITEOUT_OPAQUE)
		r = place_hide(&t->place, "");
	else if (r == 0)
		r = place_hide(&t->place,
			       whiteout_kind(path) == WHITEOUT_FILE ? whiteout_target(path) : name);
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return 0; /* there is nothing to take away */
	return r < 0 ? fail(t, r, path, strerror(-r)) : 0;
}

static int judge_device(struct tar *t, struct archive_entry *e, const char *path)
{
	if (archive_entry_filetype(e) == AE_IFCHR && archive_entry_rdev(e) == makedev(0, 0)) {
		int r = hide(t, path, WHITEOUT_FILE);

		return r < 0 ? r : SKIP;
	}
	/* An instance gets its /dev from ebb, so entries that debootstrap left there are
	 * not seen. */
	if (strncmp(path, "dev/", 4) == 0)
		return SKIP;
	return fail(t, -EPERM, path, "is a device, which an image may not bring");
}

static int judge_type(struct tar *t, struct archive_entry *e, const char *path)
{
	if (archive_entry_hardlink(e))
		return *path ? TAKE : fail(t, -EINVAL, ".", "the root is a directory");
	switch (archive_entry_filetype(e)) {
	case AE_IFBLK:
	case AE_IFCHR:
		return judge_device(t, e, path);
	case AE_IFDIR:
		return TAKE;
	case AE_IFREG:
	case AE_IFLNK:
	case AE_IFIFO:
		return *path ? TAKE : fail(t, -EINVAL, ".", "the root is a directory");
	default:
		return fail(t, -EINVAL, path, "is of an unknown type");
	}
}

static int judge(struct tar *t, struct archive_entry *e, const char *path)
{
	const char *fault = path_fault(path);
	enum whiteout_kind kind = whiteout_kind(path);
	la_int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);
	int r;

	if (fault)
		return fail(t, -EINVAL, path, fault);
	if (kind == WHITEOUT_IGNORED)
		return SKIP;
	if (kind != WHITEOUT_NONE) {
		r = hide(t, path, kind);
		return r < 0 ? r : SKIP;
	}
	if (uid < 0 || uid >= (la_int64_t)IMAGE_IDS || gid < 0 || gid >= (la_int64_t)IMAGE_IDS)
		return fail(t, -ERANGE, path, "its owner is not below 65536");
	return judge_type(t, e, path);
}

/* The claimed size of a file counts, not its stored size: mkfs.erofs reads every byte of a hole. */
static int check_size(struct tar *t, struct archive_entry *e, const char *path)
{
	struct unpack *u = t->u;
	uint64_t size = (uint64_t)archive_entry_size(e), claimed;

	if (!archive_entry_size_is_set(e) || archive_entry_hardlink(e))
		return 0;
	if (size > u->job->file_bytes_max)
		return unpack_fail(u, -EFBIG,
				   "%s: entry %.160s: claims %" PRIu64 " bytes, over %" PRIu64
				   " MiB (image_file_max_mb)",
				   t->what, path, size, u->job->file_bytes_max >> 20);
	u->claimed += size;
	if (u->claimed > u->job->bytes_max)
		return unpack_fail(u, -EFBIG,
				   "%s: entry %.160s: the image's files claim over %" PRIu64
				   " MiB (image_max_mb)",
				   t->what, path, u->job->bytes_max >> 20);
	claimed = u->claimed - u->job->bytes_used;
	if (claimed > BOMB_BYTES && claimed / BOMB_RATIO > *t->tar_bytes)
		return unpack_fail(u, -EFBIG,
				   "%s: entry %.160s: the files claim more than %" PRIu64
				   " times what the layer holds",
				   t->what, path, BOMB_RATIO);
	return 0;
}

static int take(struct tar *t, struct archive_entry *e, const char *path)
{
	const char *link = archive_entry_hardlink(e), *cause = NULL;
	struct entry_source source = {.entry = e, .in = t->in};
	int r = check_size(t, e, path);

	if (r < 0)
		return r;
	if (link) {
		const char *fault = path_fault(plain_path(link));

		if (fault || !*plain_path(link))
			return fail(t, -EINVAL, path, fault ? fault : "is a link to the root");
		source.link = plain_path(link);
		t->linked = true;
	}
	r = write_entry(&t->place, &source, path, &cause);
	return r < 0 ? fail(t, r, path, cause ? cause : strerror(-r)) : 0;
}

static int take_entry(struct tar *t, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	SCOPED_MEM char *path = NULL;
	int r;

	if (++t->u->entries > t->u->job->entries_max)
		return unpack_fail(t->u, -E2BIG,
				   "%s: the image has more than %" PRIu64
				   " entries (image_entries_max)",
				   t->what, t->u->job->entries_max);
	if (!name)
		return unpack_fail(t->u, -EILSEQ, "%s: an entry has no readable name: %s", t->what,
				   archive_error_string(t->in));
	path = strdup(plain_path(name));
	if (!path)
		return -ENOMEM;
	for (size_t n = strlen(path); n > 0 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	r = judge(t, e, path);
	return r == TAKE ? take(t, e, path) : (r == SKIP ? 0 : r);
}

static int take_all(struct tar *t)
{
	for (;;) {
		struct archive_entry *e;
		int r = archive_read_next_header(t->in, &e);

		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return unpack_fail(t->u, -EINVAL, "%s: damaged tar: %s", t->what,
					   archive_error_string(t->in));
		r = take_entry(t, e);
		if (r < 0)
			return r;
	}
}

int tar_unpack(struct unpack *u, const char *what, struct archive *in, const uint64_t *tar_bytes,
	       bool *linked)
{
	struct tar t = {.u = u, .what = what, .in = in, .tar_bytes = tar_bytes};
	int r = place_init(&t.place, u->job->layer > 0);

	if (r == 0)
		r = take_all(&t);
	if (r == 0) {
		r = place_leave(&t.place);
		if (r < 0)
			(void)unpack_fail(u, r, "%s: the time of a directory: %s", what,
					  strerror(-r));
	}
	place_fini(&t.place);
	*linked = t.linked;
	return r;
}
