// SPDX-License-Identifier: Apache-2.0
/* The entries of one layer (OCI image-spec layer.md): which are taken, which are changed on the
 * way, which end the import. */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "runtime/base/mem.h"

/* No ACLs and no file flags: nothing in an instance may hold the rights they are about. No lookup
 * of names: ids are the image's. Not UNLINK: a symbolic link in an entry's way is an error, not to
 * be replaced quietly by a directory. */
#define DISK_OPTIONS                                                           \
	(ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | \
	 ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |             \
	 ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS)

struct tar {
	struct unpack *u;
	const char *what;
	struct archive *in, *disk;
	struct whiteouts whiteouts;
};

enum verdict { TAKE, SKIP };

static int fail(struct tar *t, int err, const char *path, const char *cause)
{
	return unpack_fail(t->u, err, "%s: entry %.160s: %s", t->what, path, cause);
}

/* Leading "/" and "./" mean nothing. "" is the layer's root. */
static const char *plain_path(const char *path)
{
	while (path[0] == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == '\0')))
		path++;
	return path;
}

/* Why this path is refused, or NULL. */
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

static bool xattr_is_kept(const char *name)
{
	return strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0;
}

/* Only the program's own attributes survive: trusted.* and security.* (file capabilities, labels)
 * are rights, and user.overlay.* would let a layer speak to our overlay. */
static void filter_xattrs(struct archive_entry *e)
{
	struct archive_entry *all = archive_entry_clone(e);
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_clear(e);
	if (!all)
		return;
	archive_entry_xattr_reset(all);
	while (archive_entry_xattr_next(all, &name, &value, &size) == ARCHIVE_OK)
		if (xattr_is_kept(name))
			archive_entry_xattr_add_entry(e, name, value, size);
	archive_entry_free(all);
}

static int judge_device(struct tar *t, struct archive_entry *e, const char *path)
{
	if (archive_entry_filetype(e) == AE_IFCHR && archive_entry_rdev(e) == makedev(0, 0))
		return whiteouts_add(&t->whiteouts, WHITEOUT_FILE, path) < 0 ? -ENOMEM : SKIP;
	/* /dev of an instance is ebb's; what debootstrap left there is never seen. */
	if (strncmp(path, "dev/", 4) == 0)
		return SKIP;
	return fail(t, -EPERM, path, "is a device, which an image may not bring");
}

static int judge_type(struct tar *t, struct archive_entry *e, const char *path)
{
	switch (archive_entry_filetype(e)) {
	case AE_IFBLK:
	case AE_IFCHR:
		return judge_device(t, e, path);
	case AE_IFREG:
	case AE_IFDIR:
	case AE_IFLNK:
	case AE_IFIFO:
		return TAKE;
	default:
		return archive_entry_hardlink(e) ? TAKE
						 : fail(t, -EINVAL, path, "is of an unknown type");
	}
}

/* What a file claims counts, not what is stored of it: mkfs.erofs reads every byte of a hole. */
static int check_size(struct tar *t, struct archive_entry *e, const char *path)
{
	struct unpack *u = t->u;
	uint64_t size = (uint64_t)archive_entry_size(e);

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
	if (u->claimed > BOMB_BYTES && u->claimed / BOMB_RATIO > u->bytes)
		return unpack_fail(u, -EFBIG,
				   "%s: entry %.160s: the files claim more than %" PRIu64
				   " times what the image holds",
				   t->what, path, BOMB_RATIO);
	return 0;
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
	if (kind != WHITEOUT_NONE)
		return whiteouts_add(&t->whiteouts, kind, path) < 0 ? -ENOMEM : SKIP;
	if (uid < 0 || uid >= (la_int64_t)IMAGE_IDS || gid < 0 || gid >= (la_int64_t)IMAGE_IDS)
		return fail(t, -ERANGE, path, "its owner is not below 65536");
	r = check_size(t, e, path);
	return r < 0 ? r : judge_type(t, e, path);
}

static int write_fault(struct tar *t, const char *path)
{
	const char *cause = archive_error_string(t->disk);
	int err = archive_errno(t->disk);

	return fail(t, err > 0 ? -err : -EIO, path, cause ? cause : "cannot be written");
}

static int copy_data(struct tar *t, const char *path)
{
	for (;;) {
		const void *block;
		la_int64_t offset;
		size_t size;
		int r = archive_read_data_block(t->in, &block, &size, &offset);

		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return fail(t, -EIO, path, archive_error_string(t->in));
		if (archive_write_data_block(t->disk, block, size, offset) < ARCHIVE_OK)
			return write_fault(t, path);
	}
}

/* Warnings of the disk side are failures here: an owner, mode or attribute was not applied. */
static int write_entry(struct tar *t, struct archive_entry *e, const char *path)
{
	const char *link = archive_entry_hardlink(e);
	int r = 0;

	archive_entry_copy_pathname(e, *path ? path : ".");
	if (link) {
		const char *fault = path_fault(plain_path(link));

		if (fault)
			return fail(t, -EINVAL, path, fault);
		archive_entry_copy_hardlink(e, plain_path(link));
	}
	filter_xattrs(e);
	archive_entry_set_fflags(e, 0, 0);
	if (archive_write_header(t->disk, e) != ARCHIVE_OK)
		return write_fault(t, path);
	if (!link || archive_entry_size(e) > 0)
		r = copy_data(t, path);
	if (r == 0 && archive_write_finish_entry(t->disk) != ARCHIVE_OK)
		r = write_fault(t, path);
	return r;
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
	path = strdup(plain_path(name)); /* the entry's own string goes away when it is changed */
	if (!path)
		return -ENOMEM;
	for (size_t n = strlen(path); n > 0 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	r = judge(t, e, path);
	return r == TAKE ? write_entry(t, e, path) : (r == SKIP ? 0 : r);
}

static int take_all(struct tar *t)
{
	for (;;) {
		struct archive_entry *e;
		int r = archive_read_next_header(t->in, &e);

		if (r == ARCHIVE_EOF)
			return whiteouts_apply(t->u, &t->whiteouts);
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return unpack_fail(t->u, -EINVAL, "%s: damaged tar: %s", t->what,
					   archive_error_string(t->in));
		r = take_entry(t, e);
		if (r < 0)
			return r;
	}
}

int tar_unpack(struct unpack *u, const char *what, struct archive *in)
{
	struct tar t = {.u = u, .what = what, .in = in, .disk = archive_write_disk_new()};
	int r;

	if (!t.disk)
		return -ENOMEM;
	archive_write_disk_set_options(t.disk, DISK_OPTIONS);
	r = take_all(&t);
	/* Directories get their modes and times here, after the whiteouts. */
	if (archive_write_close(t.disk) != ARCHIVE_OK && r == 0)
		r = write_fault(&t, "(directories)");
	archive_write_free(t.disk);
	whiteouts_fini(&t.whiteouts);
	return r;
}
