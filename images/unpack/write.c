// SPDX-License-Identifier: Apache-2.0
#include "images/unpack/write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define XATTR_LIST_MAX 65536

static void times_of(struct archive_entry *e, struct timespec times[2])
{
	times[1] = (struct timespec){.tv_sec = archive_entry_mtime(e),
				     .tv_nsec = archive_entry_mtime_nsec(e)};
	times[0] = times[1];
}

/* ---- attributes ---- */

/* Only user.* is kept, the attributes of programs themselves. trusted.* and security.* (file
 * capabilities, labels) are rights, and user.overlay.* would let a layer give orders to ebb's own
 * overlay. */
static bool xattr_is_kept(const char *name)
{
	return strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0;
}

static int set_xattrs(int fd, struct archive_entry *e, const char **cause)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) == ARCHIVE_OK) {
		if (!name || !xattr_is_kept(name))
			continue;
		if (fsetxattr(fd, name, value, size, 0) == 0)
			continue;
		*cause = "one of its extended attributes cannot be kept (too large, or too many)";
		return -errno;
	}
	return 0;
}

/* Removes old attributes: a directory that a layer brings again has only the new ones. */
static int clear_xattrs(int fd)
{
	static char list[XATTR_LIST_MAX];
	ssize_t n = flistxattr(fd, list, sizeof(list));

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(list + at) + 1)
		if (xattr_is_kept(list + at) && fremovexattr(fd, list + at) < 0)
			return -errno;
	return n < 0 && errno != ENOTSUP ? -errno : 0;
}

/* The mode is set after the owner, because chown(2) clears set-uid. Times are set last. */
static int set_metadata(int fd, struct archive_entry *e, const char **cause)
{
	struct timespec times[2];
	int r;

	times_of(e, times);
	if (fchown(fd, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e)) < 0)
		return -errno;
	r = set_xattrs(fd, e, cause);
	if (r < 0)
		return r;
	if (fchmod(fd, archive_entry_perm(e) & 07777) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

/* ---- kinds ---- */

static int write_directory(struct place *p, const struct entry_source *s, const char *name,
			   const char **cause)
{
	SCOPED_FD fd = -1;
	int r = *name ? place_clear(p, name, true) : 1;

	if (r < 0)
		return r;
	if (r == 0 && mkdirat(p->at.fd, name, 0700) < 0)
		return -errno;
	fd = openat(p->at.fd, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (r == 1)
		r = clear_xattrs(fd);
	if (r == 0)
		r = set_metadata(fd, s->entry, cause);
	if (r == 0 && !*name) /* the root itself: place_leave must set its new times */
		times_of(s->entry, p->times);
	return r;
}

static int copy_data(int fd, const struct entry_source *s, const char **cause)
{
	for (;;) {
		const void *block;
		la_int64_t offset;
		size_t size;
		int r = archive_read_data_block(s->in, &block, &size, &offset);

		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN) {
			*cause = archive_error_string(s->in);
			return -EIO;
		}
		while (size > 0) {
			ssize_t n = pwrite(fd, block, size, offset);

			if (n < 0)
				return -errno;
			block = (const char *)block + n;
			size -= (size_t)n;
			offset += n;
		}
	}
	return ftruncate(fd, archive_entry_size(s->entry)) < 0 ? -errno : 0;
}

static int write_file(struct place *p, const struct entry_source *s, const char *name,
		      const char **cause)
{
	SCOPED_FD fd = -1;
	int r = place_clear(p, name, false);

	if (r < 0)
		return r;
	fd = openat(p->at.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = copy_data(fd, s, cause);
	return r < 0 ? r : set_metadata(fd, s->entry, cause);
}

static int finish_special(const struct place *p, struct archive_entry *e, const char *name)
{
	struct timespec times[2];

	times_of(e, times);
	if (fchownat(p->at.fd, name, (uid_t)archive_entry_uid(e), (gid_t)archive_entry_gid(e),
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return utimensat(p->at.fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int write_symlink(struct place *p, const struct entry_source *s, const char *name,
			 const char **cause)
{
	const char *target = archive_entry_symlink(s->entry);
	int r = place_clear(p, name, false);

	if (r < 0)
		return r;
	if (!target || !*target) {
		*cause = "is a symbolic link to nothing";
		return -EINVAL;
	}
	if (symlinkat(target, p->at.fd, name) < 0)
		return -errno;
	return finish_special(p, s->entry, name);
}

static int write_fifo(struct place *p, const struct entry_source *s, const char *name,
		      const char **cause)
{
	int r = place_clear(p, name, false);

	if (r < 0)
		return r;
	if (mknodat(p->at.fd, name, S_IFIFO | 0600, 0) < 0)
		return -errno;
	r = finish_special(p, s->entry, name);
	if (r == 0 && fchmodat(p->at.fd, name, archive_entry_perm(s->entry) & 07777, 0) < 0)
		r = -errno;
	return r;
}

static int link_here(const struct place *p, int dir_fd, const char *target, const char *name)
{
	return linkat(dir_fd, target, p->at.fd, name, 0) < 0 ? -errno : 0;
}

/* Whether the name is the target of the hard link already; it then stays as it is. */
static bool is_same(const struct place *p, int dir_fd, const char *target, const char *name)
{
	struct stat a, b;

	return fstatat(dir_fd, target, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(p->at.fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev && !S_ISDIR(a.st_mode);
}

static int write_link(struct place *p, const struct entry_source *s, const char *name,
		      const char **cause)
{
	const char *slash = strrchr(s->link, '/');
	const char *target = slash ? slash + 1 : s->link;
	char dir[PATH_BYTES_MAX + 1];
	static struct spot spot; /* large for a stack */
	int r;

	memcpy(dir, s->link, (size_t)(target - s->link));
	dir[target - s->link] = '\0';
	r = place_find(dir, &spot);
	if (r == 0 && is_same(p, spot.fd, target, name)) {
		fd_close(&spot.fd);
		return 0;
	}
	if (r == 0)
		r = place_clear(p, name, false);
	if (r == 0)
		r = link_here(p, spot.fd, target, name);
	fd_close(&spot.fd);
	if (r == -ENOENT || r == -ENOTDIR)
		*cause = "is a hard link to what is not there";
	else if (r == -EPERM)
		*cause = "is a hard link to what cannot have two names";
	return r;
}

/* ---- all ---- */

static int write_kind(struct place *p, const struct entry_source *s, const char *name,
		      const char **cause)
{
	static const struct {
		unsigned int type;
		int (*write)(struct place *p, const struct entry_source *s, const char *name,
			     const char **cause);
	} kinds[] = {
		{AE_IFDIR, write_directory},
		{AE_IFREG, write_file},
		{AE_IFLNK, write_symlink},
		{AE_IFIFO, write_fifo},
	};

	if (s->link)
		return write_link(p, s, name, cause);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].type == archive_entry_filetype(s->entry))
			return kinds[i].write(p, s, name, cause);
	return -EINVAL;
}

int write_entry(struct place *p, const struct entry_source *source, const char *path,
		const char **cause)
{
	struct timespec times[2];
	const char *name;
	int r;

	times_of(source->entry, times);
	p->implied = times[1];
	r = place_enter(p, path, true, &name);
	if (r == -ENOTDIR)
		*cause = "its parent is not a directory";
	if (r == -ELOOP)
		*cause = "too many symbolic links above it";
	if (r == 0)
		r = write_kind(p, source, name, cause);
	return r < 0 ? r : place_touch(p, name);
}
