// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * The zygote's root: a tmpfs with the parts of a sandbox, and nothing of the host.
 *
 *   /dev/null   for the standard streams of processes that wait
 *   /proc   /sys  fresh mounts, fully visible: without them the kernel refuses to mount either in a
 *                 user namespace (fs/namespace.c, mount_too_revealing)
 *   /stage  the empty directories a parked sandbox lives in
 *
 * A sandbox gets a locked copy of these few mounts when it is cloned. That is cheaper than a copy
 * of all mounts of the host, and a parked sandbox that is taken over finds nothing here.
 *
 * The template has no file that a function can open: inotify(7) and flock(2) work on inodes, so two
 * tenants with one device node could watch each other. Every sandbox gets a file system of its own
 * with its device nodes and with the empty directory that its masks are made of (template_own). The
 * zygote makes it, because a process in a user namespace may not make a device node.
 */
/* clang-format on */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/fs.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "sandbox/inside.h"

static const char *const directories[] = {
	"dev",       "proc",       "sys",       "stage",      "stage/own",
	"stage/dev", "stage/proc", "stage/sys", "stage/root",
};
static const char *const own_directories[] = {
	"dev",
	"dev/pts",
	"dev/shm",
	"dev/ebb",
	"empty",
	"fs",
	"fs/cgroup",
	"facts",
	"devices",
	"devices/system",
	"devices/virtual",
	"devices/virtual/net",
};

struct device {
	const char *name;
	unsigned int major, minor;
};
static const struct device devices[] = {
	{"dev/null", 1, 3},
};
static const struct device own_devices[] = {
	{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
	{"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"dev/fd", "/proc/self/fd"},       {"dev/stdin", "/proc/self/fd/0"},
	{"dev/stdout", "/proc/self/fd/1"}, {"dev/stderr", "/proc/self/fd/2"},
	{"dev/ptmx", "pts/ptmx"},
};

static int make_directories(int dir_fd, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (mkdirat(dir_fd, names[i], 0755) < 0)
			return -errno;
	return 0;
}

static int make_devices(int dir_fd, const struct device *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (mknodat(dir_fd, nodes[i].name, S_IFCHR | 0666,
			    makedev(nodes[i].major, nodes[i].minor)) < 0)
			return -errno;
	return 0;
}

/* Fills the template. The umask is 0 meanwhile, so that each node has the right mode from the
 * start. */
static int fill(int dir_fd)
{
	int r = make_directories(dir_fd, directories, ARRAY_LEN(directories));

	return r < 0 ? r : make_devices(dir_fd, devices, ARRAY_LEN(devices));
}

/* Makes a boot id in the form of the kernel's: a random UUID (RFC 9562, version 4) and
 * a newline. */
static int make_boot_id(int dir_fd)
{
	unsigned char id[16];
	char hex[2 * sizeof(id) + 1], text[48];
	SCOPED_FD fd = openat(dir_fd, "boot_id", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	if (fd < 0 || getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -errno;
	id[6] = (unsigned char)((id[6] & 0x0f) | 0x40);
	id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
	text_hex(hex, id, sizeof(id));
	(void)text_format(text, sizeof(text), "%.8s-%.4s-%.4s-%.4s-%s\n", hex, hex + 8, hex + 12,
			  hex + 16, hex + 20);
	return fd_write_all(fd, text, strlen(text));
}

static int fill_own(int dir_fd)
{
	int r = make_directories(dir_fd, own_directories, ARRAY_LEN(own_directories));

	if (r == 0)
		r = make_devices(dir_fd, own_devices, ARRAY_LEN(own_devices));
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(links); i++)
		if (symlinkat(links[i].target, dir_fd, links[i].name) < 0)
			r = -errno;
	return r < 0 ? r : make_boot_id(dir_fd);
}

static int new_tmpfs(void)
{
	static const struct fs_option options[] = {
		{"mode", "0755"}, {"size", "256k"}, {"nr_inodes", "64"}};

	return fs_make("tmpfs", options, ARRAY_LEN(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

static int mount_fresh(const char *type, const char *at)
{
	return mount(type, at, type, MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? -errno : 0;
}

int template_enter(void)
{
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	SCOPED_FD root_fd = -1;
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	root_fd = new_tmpfs();
	if (root_fd < 0)
		return root_fd;
	(void)umask(0);
	r = fill(root_fd);
	(void)umask(022);
	if (r < 0)
		return r;
	if (move_mount(root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    fchdir(root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	r = mount_fresh("proc", "/proc");
	if (r == 0)
		r = mount_fresh("sysfs", "/sys");
	if (r < 0)
		return r;
	return mount_setattr(AT_FDCWD, "/", 0, &read_only, sizeof(read_only)) < 0 ? -errno : 0;
}

int template_own(uint32_t id_first)
{
	SCOPED_FD fd = new_tmpfs();
	int r;

	if (fd < 0)
		return fd;
	(void)umask(0);
	r = fill_own(fd);
	(void)umask(022);
	/* PID 1 fills these two directories, so they belong to its id. */
	if (r == 0 && (fchownat(fd, "fs/cgroup", id_first, id_first, AT_SYMLINK_NOFOLLOW) < 0 ||
		       fchownat(fd, "facts", id_first, id_first, AT_SYMLINK_NOFOLLOW) < 0))
		r = -errno;
	return r < 0 ? r : keep_fd(&fd);
}
