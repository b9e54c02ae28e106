// SPDX-License-Identifier: Apache-2.0
/* Layers as mounts. An erofs file is mounted once, below mnt/; a plain directory is used where it
 * stands. Whoever wants it clones it (open_tree) with the attributes and id map of its own. */
#include "images/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/stat.h>

#include "runtime/base/fd.h"
#include "runtime/base/text.h"

int layer_mount_file(const char *file, const char *where)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV;

	/* "directio": else the backing file is cached beside the files in it, twice the memory. */
	if (mount(file, where, "erofs", flags, "directio") == 0)
		return 0;
	if (errno == EINVAL && mount(file, where, "erofs", flags, NULL) == 0)
		return 0;
	return -errno;
}

static bool is_mounted(int mnt_fd, const char *hex)
{
	struct statx x;

	return statx(mnt_fd, hex, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &x) == 0 &&
	       (x.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int mount_erofs(struct image_store *s, const char *hex)
{
	char file[STORE_PATH_SIZE], where[STORE_PATH_SIZE];
	int r;

	if (is_mounted(s->mnt_fd, hex))
		return 0;
	if (text_format(file, sizeof(file), "%s/layers/%s" EROFS_SUFFIX, s->dir, hex) < 0 ||
	    text_format(where, sizeof(where), "%s/mnt/%s", s->dir, hex) < 0)
		return -ENAMETOOLONG;
	if (access(file, R_OK) < 0)
		return -errno;
	if (mkdirat(s->mnt_fd, hex, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = layer_mount_file(file, where);
	if (r < 0)
		(void)unlinkat(s->mnt_fd, hex, AT_REMOVEDIR);
	return r;
}

int image_layer_open(struct image_store *s, const uint8_t diff_id[DIGEST_SIZE])
{
	char hex[LAYER_NAME_SIZE];
	int r, fd;

	text_hex(hex, diff_id, DIGEST_SIZE);
	r = mount_erofs(s, hex);
	if (r < 0 && r != -ENOENT)
		return r;
	/* Attached, not a detached clone: before Linux 6.15 a detached mount cannot be cloned
	 * again, and each instance clones it. */
	fd = openat(r == 0 ? s->mnt_fd : s->layers_fd, hex,
		    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int image_layer_remove(struct image_store *s, const uint8_t diff_id[DIGEST_SIZE])
{
	char hex[LAYER_NAME_SIZE], name[LAYER_NAME_SIZE + sizeof(EROFS_SUFFIX)];
	char where[STORE_PATH_SIZE], gone[64];
	int r;

	text_hex(hex, diff_id, DIGEST_SIZE);
	(void)text_format(name, sizeof(name), "%s" EROFS_SUFFIX, hex);
	if (text_format(where, sizeof(where), "%s/mnt/%s", s->dir, hex) < 0)
		return -ENAMETOOLONG;
	if (is_mounted(s->mnt_fd, hex))
		(void)umount2(where, MNT_DETACH);
	(void)unlinkat(s->mnt_fd, hex, AT_REMOVEDIR);
	if (unlinkat(s->layers_fd, name, 0) == 0)
		return fsync(s->layers_fd) < 0 ? -errno : 0;
	if (errno != ENOENT)
		return -errno;
	/* A directory leaves the store in one step, and is emptied where an interruption is mended.
	 */
	(void)text_format(gone, sizeof(gone), "gone-%llu", (unsigned long long)s->next_staging++);
	if (renameat(s->layers_fd, hex, s->staging_fd, gone) < 0)
		return -errno;
	r = fd_rmtree_at(s->staging_fd, gone);
	return r < 0 || fsync(s->layers_fd) == 0 ? r : -errno;
}
