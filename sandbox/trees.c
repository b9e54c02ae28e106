// SPDX-License-Identifier: Apache-2.0
/*
 * /proc, /sys and /dev of a sandbox. They are made while arming, on the stage, which is the working
 * directory; at the claim each is moved into the image's root in one call.
 *
 * Masked and read-only paths follow the list of other container runtimes (OCI runtime-spec,
 * config-linux.md). More paths are masked, which tell hosts apart or tell of other tenants: the
 * boot (the sandbox has a boot id of its own), disks, interrupts, memory zones, devices. Processors
 * and memory are not masked, because run-times look at them. The masks are the second fence: the
 * first is that a function owns no id of the host, and no capability over the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/fs.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define PLAIN (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* NODEV is not set, because a file is masked with the null device, which reads as empty. */
#define COVER (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY)

static const char *const proc_masked[] = {
	"proc/acpi",        "proc/asound",      "proc/interrupts",  "proc/kallsyms",
	"proc/kcore",       "proc/keys",        "proc/key-users",   "proc/kmsg",
	"proc/kpagecgroup", "proc/kpagecount",  "proc/kpageflags",  "proc/latency_stats",
	"proc/modules",     "proc/sched_debug", "proc/scsi",        "proc/slabinfo",
	"proc/pressure",    "proc/timer_list",  "proc/timer_stats", "proc/vmallocinfo",
	"proc/bootconfig",  "proc/buddyinfo",   "proc/cmdline",     "proc/config.gz",
	"proc/diskstats",   "proc/iomem",       "proc/ioports",     "proc/mdstat",
	"proc/partitions",  "proc/schedstat",   "proc/softirqs",    "proc/swaps",
	"proc/zoneinfo",    "proc/locks",
};
static const char *const proc_read_only[] = {
	"proc/bus", "proc/driver", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
};
static const char *const sys_masked[] = {
	"sys/firmware",    "sys/kernel", "sys/module", "sys/power",      "sys/block",
	"sys/class/block", "sys/bus",    "sys/dev",    "sys/hypervisor",
};
/* The only parts of /sys/devices that are shown: processors and nodes, and the
 * sandbox's loopback. */
static const char *const sys_devices[] = {"sys/devices/system", "sys/devices/virtual/net"};

/* Makes a file system and mounts it at `at`. */
static int mount_new(const char *type, const struct fs_option *options, size_t count,
		     unsigned int attributes, const char *at)
{
	SCOPED_FD fd = fs_make(type, options, count, attributes);

	return fd < 0 ? fd : fs_attach(fd, at);
}

/* Puts a read-only view of `from` on top of `at`. */
static int cover(const char *from, const char *at)
{
	struct mount_attr attr = {.attr_set = COVER};
	SCOPED_FD fd = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return fs_attach(fd, at);
}

/* Masks all paths; a path that this kernel lacks needs no mask. */
static int mask_all(const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct stat st;
		int r;

		if (lstat(paths[i], &st) < 0) {
			if (errno == ENOENT)
				continue;
			return -errno;
		}
		r = cover(S_ISDIR(st.st_mode) ? "own/empty" : "own/dev/null", paths[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int protect_all(const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int r = cover(paths[i], paths[i]);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

/* Hides /sys/devices but for the directories in sys_devices: the others differ from host
 * to host. */
static int show_devices(void)
{
	int fds[ARRAY_LEN(sys_devices)], r = 0;

	for (size_t i = 0; i < ARRAY_LEN(sys_devices); i++)
		fds[i] = open_tree(AT_FDCWD, sys_devices[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	r = cover("own/devices", "sys/devices");
	for (size_t i = 0; i < ARRAY_LEN(sys_devices); i++) {
		if (r == 0 && (fds[i] < 0 || move_mount(fds[i], "", AT_FDCWD, sys_devices[i],
							MOVE_MOUNT_F_EMPTY_PATH) < 0))
			r = -errno;
		fd_close(&fds[i]);
	}
	return r;
}

/* The top mount at path, as a handle for move_mount(2). */
static int open_top(const char *path, int *out_fd)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*out_fd = fd;
	return 0;
}

int tree_proc(struct inside *in)
{
	int r = mount_new("proc", NULL, 0, PLAIN, "proc");

	if (r == 0)
		r = protect_all(proc_read_only, ARRAY_LEN(proc_read_only));
	if (r == 0)
		r = mask_all(proc_masked, ARRAY_LEN(proc_masked));
	if (r == 0)
		r = shown_make_facts(in);
	if (r == 0)
		r = cover("own/facts/meminfo", "proc/meminfo");
	if (r == 0)
		r = cover("own/boot_id", "proc/sys/kernel/random/boot_id");
	return r < 0 ? r : open_top("proc", &in->proc_fd);
}

int tree_sys(struct inside *in)
{
	int r = mount_new("sysfs", NULL, 0, PLAIN | MOUNT_ATTR_RDONLY, "sys");

	if (r == 0)
		r = mask_all(sys_masked, ARRAY_LEN(sys_masked));
	if (r == 0)
		r = show_devices();
	if (r == 0)
		r = shown_make(in);
	if (r == 0)
		r = cover("own/fs", "sys/fs");
	return r < 0 ? r : open_top("sys", &in->sys_fd);
}

/* Makes /dev. A sandbox may have 32 terminals: the kernel has 3,072 for all instances of devpts
 * together but the host's own (kernel.pty.max and kernel.pty.reserve). */
int tree_dev(struct inside *in)
{
	static const struct fs_option pts[] = {
		{"mode", "0620"}, {"gid", "5"}, {"ptmxmode", "0666"}, {"max", "32"}};
	static const struct fs_option shm[] = {
		{"mode", "1777"}, {"size", "64m"}, {"nr_inodes", "4096"}};
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC |
					      MOUNT_ATTR_RDONLY};
	SCOPED_FD fd = open_tree(AT_FDCWD, "own/dev", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r;

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(fd, "", AT_FDCWD, "dev", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	r = mount_new("devpts", pts, ARRAY_LEN(pts), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		      "dev/pts");
	if (r == 0)
		r = mount_new("tmpfs", shm, ARRAY_LEN(shm), PLAIN, "dev/shm");
	return r < 0 ? r : open_top("dev", &in->dev_fd);
}
