// SPDX-License-Identifier: Apache-2.0
/*
 * Overlayfs finds its layers by path only (kernels before 6.13), so the layers are attached to a
 * tmpfs for a moment, under names of one byte. 127 names with their colons fit the 256 bytes that
 * fsconfig(2) takes. The names are relative: the tmpfs is the working directory meanwhile. The
 * overlay keeps private clones of the layers, so the tmpfs is then unmounted with all of them in
 * one call. One call is cheaper than many, because the kernel waits for its readers in each.
 *
 * Overlayfs works with the rights and the file system ids of its mounter. An id-mapped upper
 * directory has no id for the host's root, so a whiteout would fail with EOVERFLOW. So the overlay
 * is mounted with the file system ids that are 0 in that directory.
 */
#include "images/overlay.h"

#include <errno.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/jail.h"
#include "runtime/base/fd.h"
#include "runtime/base/fs.h"
#include "runtime/base/mem.h"

#define NAME_LENGTH       2    /* a byte and a colon */
#define NAME_FIRST        0x80 /* from here on no byte means anything to overlayfs */
#define PIECE             "piece"
#define STAGE             "stage"
#define READ_ONLY_OPTIONS 3 /* of make() */

static int attach(int mount_fd, const char *where)
{
	if (mkdir(where, 0755) < 0)
		return -errno;
	return fs_attach(mount_fd, where);
}

/* Attaches the lower layers and writes their names into `names`, as lowerdir wants them. */
static int attach_lower(const struct overlay *o, char *names)
{
	for (size_t i = 0; i < o->lower_count; i++) {
		const char name[] = {(char)(NAME_FIRST + i), '\0'};
		int r = attach(o->first_lower_fd + (int)i, name);

		if (r < 0)
			return r;
		names[i * NAME_LENGTH] = name[0];
		names[(i + 1) * NAME_LENGTH - 1] = i + 1 < o->lower_count ? ':' : '\0';
	}
	return 0;
}

/* "volatile": the files that a dying child leaves are never used, so overlayfs need not sync. */
static int make(const char *lower, bool writable)
{
	const struct fs_option options[] = {
		{"source", "ebb"},
		{"userxattr", NULL},
		{"lowerdir", lower},
		/* those of a writable one: */
		{"upperdir", PIECE "/tree"},
		{"workdir", PIECE "/work"},
		{"index", "off"},
		{"volatile", NULL},
	};
	const unsigned int plain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

	return writable ? fs_make("overlay", options, ARRAY_LEN(options), plain)
			: fs_make("overlay", options, READ_ONLY_OPTIONS, plain | MOUNT_ATTR_RDONLY);
}

/* setfsuid(2) reports no failure. A second call with -1, which is no id, returns the id that is
 * set. */
static int set_fs_ids(uint32_t id)
{
	(void)setfsgid(id);
	(void)setfsuid(id);
	return (uint32_t)setfsuid((uid_t)-1) == id && (uint32_t)setfsgid((gid_t)-1) == id ? 0
											  : -EPERM;
}

/* Under SECBIT_NO_SETUID_FIXUP the capabilities over files stay when the file system id is not 0
 * (capabilities(7)). */
static int make_as(uint32_t id, const char *lower, bool writable)
{
	int fd, r;

	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0)
		return -errno;
	r = set_fs_ids(id);
	fd = r < 0 ? r : make(lower, writable);
	r = set_fs_ids(0);
	if (r == 0 && prctl(PR_SET_SECUREBITS, 0) < 0)
		r = -errno;
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

/* Makes the overlay; the working directory is the stage. Returns a mount or -errno. */
static int make_in_stage(const struct overlay *o)
{
	char lower[JAIL_LOWER_MAX * NAME_LENGTH + 1];
	int r = attach_lower(o, lower);

	if (r == 0 && o->piece_fd >= 0)
		r = attach(o->piece_fd, PIECE);
	return r < 0 ? r : make_as(o->id_base, lower, o->piece_fd >= 0);
}

static int enter_stage(void)
{
	if (mkdir(STAGE, 0700) < 0 ||
	    mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=700") < 0 ||
	    chdir(STAGE) < 0)
		return -errno;
	return 0;
}

static int leave_stage(void)
{
	if (chdir("..") < 0 || umount2(STAGE, MNT_DETACH) < 0 || rmdir(STAGE) < 0)
		return -errno;
	return 0;
}

int overlay_attach(const struct overlay *o, const char *where)
{
	SCOPED_FD fd = -1;
	int r;

	/* One layer needs no overlay, and overlayfs takes no single lower layer without
	 * an upper. */
	if (o->lower_count == 1 && o->piece_fd < 0)
		return attach(o->first_lower_fd, where);
	r = enter_stage();
	if (r < 0)
		return r;
	fd = make_in_stage(o);
	if (fd < 0)
		return fd;
	r = leave_stage();
	return r < 0 ? r : attach(fd, where);
}
