// SPDX-License-Identifier: Apache-2.0
/* Layers as mounts. An erofs file is mounted once, below mnt/; a plain directory is used where
 * it stands. A user of a layer makes a clone (open_tree(2)) with attributes and an id map of
 * its own. */
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

static bool is_mounted(int mnt_fd, const char *hex)
{
	struct statx x;

	return statx(mnt_fd, hex, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &x) == 0 &&
	       (x.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* The place of a key's piece, which this version made, or an earlier one that named layers by
 * diff_id (store.h). */
struct place {
	const char *dir;
	int dir_fd;                      /* borrowed */
	char mount[LAYER_NAME_SIZE + 4]; /* its name below mnt/ */
	char file[LAYER_NAME_SIZE + sizeof(EROFS_SUFFIX)];
	char hex[LAYER_NAME_SIZE];
};

static void find_place(const struct image_store *s, const uint8_t key[DIGEST_SIZE], struct place *p)
{
	uint64_t unused;
	bool is_piece;

	text_hex(p->hex, key, DIGEST_SIZE);
	is_piece = store_has_piece(s, p->hex, &unused);
	p->dir = is_piece ? "pieces" : "layers";
	p->dir_fd = is_piece ? s->pieces_fd : s->layers_fd;
	(void)text_format(p->mount, sizeof(p->mount), "%s%s", p->hex, is_piece ? "" : ".old");
	(void)text_format(p->file, sizeof(p->file), "%s" EROFS_SUFFIX, p->hex);
}

static int mount_erofs(struct image_store *s, const struct place *p)
{
	char file[STORE_PATH_SIZE], where[STORE_PATH_SIZE];
	int r;

	if (is_mounted(s->mnt_fd, p->mount))
		return 0;
	if (text_format(file, sizeof(file), "%s/%s/%s", s->dir, p->dir, p->file) < 0 ||
	    text_format(where, sizeof(where), "%s/mnt/%s", s->dir, p->mount) < 0)
		return -ENAMETOOLONG;
	if (access(file, R_OK) < 0)
		return -errno;
	if (mkdirat(s->mnt_fd, p->mount, 0700) < 0 && errno != EEXIST)
		return -errno;
	r = layer_mount_file(file, where);
	if (r < 0)
		(void)unlinkat(s->mnt_fd, p->mount, AT_REMOVEDIR);
	return r;
}

int image_layer_mount(struct image_store *s, const uint8_t key[DIGEST_SIZE])
{
	struct place p;

	find_place(s, key, &p);
	return mount_erofs(s, &p);
}

int image_layer_open(struct image_store *s, const uint8_t key[DIGEST_SIZE])
{
	struct place p;
	int r, fd;

	find_place(s, key, &p);
	r = mount_erofs(s, &p);
	if (r < 0 && r != -ENOENT)
		return r;
	/* The attached mount is opened, and no detached clone made: before Linux 6.15 a detached
	 * mount cannot be cloned again, and each instance clones this one. */
	fd = openat(r == 0 ? s->mnt_fd : p.dir_fd, r == 0 ? p.mount : p.hex,
		    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int image_layer_remove(struct image_store *s, const uint8_t key[DIGEST_SIZE])
{
	char where[STORE_PATH_SIZE], gone[64];
	struct place p;
	int r;

	find_place(s, key, &p);
	if (text_format(where, sizeof(where), "%s/mnt/%s", s->dir, p.mount) < 0)
		return -ENAMETOOLONG;
	if (is_mounted(s->mnt_fd, p.mount))
		(void)umount2(where, MNT_DETACH);
	(void)unlinkat(s->mnt_fd, p.mount, AT_REMOVEDIR);
	if (unlinkat(p.dir_fd, p.file, 0) == 0)
		return fsync(p.dir_fd) < 0 ? -errno : 0;
	if (errno != ENOENT)
		return -errno;
	/* A directory is moved to staging in one step and emptied there, because the next start
	 * removes the rest from staging after an interruption. */
	(void)text_format(gone, sizeof(gone), "gone-%llu", (unsigned long long)s->next_staging++);
	if (renameat(p.dir_fd, p.hex, s->staging_fd, gone) < 0)
		return -errno;
	r = fd_rmtree_at(s->staging_fd, gone);
	return r < 0 || fsync(p.dir_fd) == 0 ? r : -errno;
}
