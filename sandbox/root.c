// SPDX-License-Identifier: Apache-2.0
/*
 * The root file system of one instance: the layers of an image, seen through the instance's id map,
 * under a tmpfs.
 *
 * Runs in ebbd. Overlayfs finds its layers by path only (kernels before 6.13), so the layers are
 * attached for a moment to the tmpfs at stage_dir, under names of one byte. 127 names with their
 * colons fit the 256 bytes that fsconfig(2) takes; the names are relative to the tmpfs, which is
 * the working directory meanwhile. The overlay keeps private clones of the layers, so the stage is
 * taken down at once. The overlay belongs to the host's user namespace: it copies files up with
 * ebbd's rights and the instance's ids.
 *
 * Layers mark replaced directories with user.overlay.*, the only marks that ebb-unpack may write.
 * So an overlay of layers needs "userxattr", and then its upper layer must take user xattrs. A
 * tmpfs takes them from Linux 6.6 on; before, a directory could not be renamed or made anew (EXDEV,
 * EIO). On such a kernel the layers make a read-only overlay of their own; a second overlay, with
 * the tmpfs, stands on it and has its marks in trusted.*. The kernel stacks two overlays at most,
 * and a layer on a file-backed erofs counts as one of them. That is no problem, because kernels
 * with file-backed erofs need no second overlay (kernel: Documentation/filesystems/overlayfs.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/fs.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"
#include "sandbox/fill.h"

#define NAME_LENGTH             2    /* a byte and a colon */
#define NAME_FIRST              0x80 /* from here on no byte means anything to overlayfs */
#define SCRATCH_BYTES_PER_INODE 4096
#define SCRATCH_INODES_MIN      1024

/* Makes the tmpfs for the upper layer, the work directory and the names of the layers. */
static int make_scratch(uint64_t scratch_bytes)
{
	uint64_t inodes = scratch_bytes / SCRATCH_BYTES_PER_INODE;
	char size[32], count[32];
	const struct fs_option options[] = {{"mode", "0755"}, {"size", size}, {"nr_inodes", count}};

	if (inodes < SCRATCH_INODES_MIN)
		inodes = SCRATCH_INODES_MIN;
	snprintf(size, sizeof(size), "%llu", (unsigned long long)scratch_bytes);
	snprintf(count, sizeof(count), "%llu", (unsigned long long)inodes);
	return fs_make("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

static int make_owned_dir(int scratch_fd, const char *name, mode_t mode, const struct armed *a)
{
	if (mkdirat(scratch_fd, name, mode) < 0 ||
	    fchownat(scratch_fd, name, a->id_first, a->id_first, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* Makes the upper layer. The mount points are made before the overlay is mounted: a directory of
 * the upper layer hides a link or a file that an image has in its place. (To replace a file through
 * the overlay would need a user xattr, which a tmpfs does not take before Linux 6.6.) */
static int make_upper(int scratch_fd, const struct armed *a)
{
	static const char *const mount_points[] = {"u/proc", "u/sys", "u/dev"};
	int r = make_owned_dir(scratch_fd, "u", 0755, a);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(mount_points); i++)
		r = make_owned_dir(scratch_fd, mount_points[i], 0555, a);
	if (r == 0 && mkdirat(scratch_fd, "w", 0700) < 0)
		r = -errno;
	return r;
}

/* Makes a clone of the layer with the instance's ids. Before Linux 6.15 a detached mount cannot be
 * cloned (EINVAL); the caller made such a mount for this call alone, so it is used itself. */
static int map_layer(int layer_fd, const struct armed *a)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY |
					      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				  .userns_fd = (uint64_t)a->user_ns_fd};
	SCOPED_FD fd = open_tree(layer_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (fd < 0 && errno == EINVAL)
		fd = fcntl(layer_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return keep_fd(&fd);
}

static int attach_layer(int scratch_fd, const char *name, int layer_fd, const struct armed *a)
{
	SCOPED_FD mapped_fd = -1;

	must(a->user_ns_fd >= 0); /* without it the layer would have the host's ids */
	mapped_fd = map_layer(layer_fd, a);
	if (mapped_fd < 0)
		return mapped_fd;
	if (mkdirat(scratch_fd, name, 0700) < 0 ||
	    move_mount(mapped_fd, "", scratch_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* Attaches all layers and writes their names into `names` as lowerdir wants them, highest first. */
static int attach_layers(int scratch_fd, const int *layer_fds, size_t layer_count,
			 const struct armed *a, char *names)
{
	_Static_assert(NAME_FIRST + IMAGE_LAYERS_MAX <= 0x100, "a byte names a layer");
	must(layer_count > 0 && layer_count <= IMAGE_LAYERS_MAX);
	for (size_t i = 0; i < layer_count; i++) {
		size_t layer = layer_count - 1 - i;
		const char name[] = {(char)(NAME_FIRST + layer), '\0'};
		int r;

		r = attach_layer(scratch_fd, name, layer_fds[layer], a);
		if (r < 0)
			return r;
		names[i * NAME_LENGTH] = name[0];
		names[(i + 1) * NAME_LENGTH - 1] = i + 1 < layer_count ? ':' : '\0';
	}
	return 0;
}

static int make_overlay(const struct fs_option *options, size_t count, unsigned int attributes)
{
	return fs_make("overlay", options, count,
		       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | attributes);
}

static int mount_with_user_marks(const char *lower)
{
	const struct fs_option options[] = {
		{"source", "ebb"}, {"lowerdir", lower}, {"upperdir", "u"},
		{"workdir", "w"},  {"userxattr", NULL},
	};

	return make_overlay(options, ARRAY_LEN(options), 0);
}

/* redirect_dir and metacopy are off, so that no such mark of a layer is followed: an image might
 * bring trusted.overlay.redirect. */
static int mount_with_trusted_marks(const char *lower)
{
	const struct fs_option options[] = {
		{"source", "ebb"},   {"lowerdir", lower}, {"upperdir", "u"},
		{"workdir", "w"},    {"index", "off"},    {"redirect_dir", "nofollow"},
		{"metacopy", "off"},
	};

	return make_overlay(options, ARRAY_LEN(options), 0);
}

/* One layer needs no overlay of its own, and overlayfs takes no single lower layer without an
 * upper. */
static int mount_in_two(int scratch_fd, const char *lower)
{
	const struct fs_option options[] = {
		{"source", "ebb"}, {"lowerdir", lower}, {"userxattr", NULL}};
	SCOPED_FD layers_fd = -1;

	if (!strchr(lower, ':'))
		return mount_with_trusted_marks(lower);
	layers_fd = make_overlay(options, ARRAY_LEN(options), MOUNT_ATTR_RDONLY);
	if (layers_fd < 0)
		return layers_fd;
	if (mkdirat(scratch_fd, "l", 0700) < 0 ||
	    move_mount(layers_fd, "", scratch_fd, "l", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return mount_with_trusted_marks("l");
}

/* Tries whether the tmpfs takes user xattrs: 1, 0 or -errno. */
static int takes_user_xattrs(int scratch_fd)
{
	SCOPED_FD fd = openat(scratch_fd, "w", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fsetxattr(fd, "user.ebb", "", 0, 0) < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	return 1;
}

/* Mounts the overlay; the working directory is the scratch file system. */
static int mount_overlay(int scratch_fd, const char *lower)
{
	int r = takes_user_xattrs(scratch_fd);

	if (r < 0)
		return r;
	return r ? mount_with_user_marks(lower) : mount_in_two(scratch_fd, lower);
}

/* The names are relative, so the working directory is changed for the mount and then
 * changed back. */
static int mount_overlay_in(int scratch_fd, const char *lower)
{
	SCOPED_FD home_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (home_fd < 0 || fchdir(scratch_fd) < 0)
		return -errno;
	fd = mount_overlay(scratch_fd, lower);
	if (fchdir(home_fd) < 0) {
		int r = -errno;

		fd_close(&fd);
		return r;
	}
	return fd;
}

static int build(int scratch_fd, const int *layer_fds, size_t layer_count, const struct armed *a,
		 const char *host_name, const struct sandbox_names *names)
{
	char lower[IMAGE_LAYERS_MAX * NAME_LENGTH + 1];
	int r = make_upper(scratch_fd, a);

	if (r == 0)
		r = fill_upper(scratch_fd, layer_fds, layer_count, a->id_first, host_name, names);
	if (r == 0)
		r = attach_layers(scratch_fd, layer_fds, layer_count, a, lower);
	return r < 0 ? r : mount_overlay_in(scratch_fd, lower);
}

int sandbox_root(const int *layer_fds, size_t layer_count, const struct armed *a,
		 uint64_t scratch_bytes, const char *instance_id, const struct sandbox_names *names,
		 const char *stage_dir)
{
	char host_name[HOST_NAME_CHARS + 1];
	SCOPED_FD scratch_fd = -1;
	int fd, r;

	if (layer_count == 0 || layer_count > IMAGE_LAYERS_MAX)
		return -EINVAL;
	snprintf(host_name, sizeof(host_name), "%s", instance_id); /* cut as the UTS name is */
	scratch_fd = make_scratch(scratch_bytes);
	if (scratch_fd < 0)
		return scratch_fd;
	r = fs_attach(scratch_fd, stage_dir);
	if (r < 0)
		return r;
	fd = build(scratch_fd, layer_fds, layer_count, a, host_name, names);
	if (umount2(stage_dir, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && fd >= 0) {
		r = -errno;
		fd_close(&fd);
		return r;
	}
	return fd;
}
