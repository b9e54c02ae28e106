// SPDX-License-Identifier: Apache-2.0
/* Attempts by objects: sockets, devices, requests to them, files of /proc and /sys; and calls by
 * the old calling conventions. */
#include "escapes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_ordinary(int family, int type, int protocol)
{
	if (family == AF_UNIX)
		return true; /* the kernel judges its protocols */
	if (family == AF_INET || family == AF_INET6)
		return (type == SOCK_STREAM && (protocol == 0 || protocol == 6)) ||
		       (type == SOCK_DGRAM &&
			(protocol == 0 || protocol == 17 || protocol == 1 || protocol == 58));
	return family == AF_NETLINK && protocol == 0;
}

static void try_socket(int family, int type, int protocol)
{
	int fd;

	if (is_ordinary(family, type, protocol))
		return;
	fd = socket(family, type, protocol);
	tried("socket", fd, "socket %d %d %d", family, type, protocol);
	if (fd >= 0)
		close(fd);
}

void try_sockets(void)
{
	static const int types[] = {1, 2, 3, 5, 10};
	static const int protocols[] = {0, 1, 6, 17, 58, 132, 255, 262, 768};

	for (int family = 1; family < 50; family++)
		for (size_t t = 0; t < COUNT(types); t++)
			for (size_t p = 0; p < COUNT(protocols); p++)
				try_socket(family, types[t], protocols[p]);
	for (int protocol = 1; protocol < 23; protocol++)
		try_socket(AF_NETLINK, SOCK_RAW, protocol);
}

void try_devices(void)
{
	for (unsigned int number = 1; number < 256; number++) {
		static const mode_t kinds[] = {S_IFCHR, S_IFBLK};

		for (size_t k = 0; k < COUNT(kinds); k++) {
			long r = mknod("/tmp/device", kinds[k] | 0600, makedev(number, 0));

			tried("device", r, "mknod %s %u", k ? "block" : "char", number);
			if (r == 0)
				unlink("/tmp/device");
		}
	}
	/* The whiteout of an overlay needs no capability. */
	tried("device", mknodat(AT_FDCWD, "/tmp/device", S_IFCHR, 0), "mknod whiteout");
}

static void try_tty(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;
	char c = 'x';

	if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0)
		slave = open(ptsname(master), O_RDWR | O_CLOEXEC);
	if (slave >= 0 && setsid() >= 0)
		ioctl(slave, TIOCSCTTY, 0);
	tried("tty", ioctl(slave, TIOCSTI, &c), "TIOCSTI");
	for (c = 0; c < 18; c++)
		tried("tty", ioctl(slave, TIOCLINUX, &c), "TIOCLINUX %d", c);
	tried("tty", ioctl(slave, TIOCCONS, 0), "TIOCCONS");
	for (int discipline = 1; discipline < 31; discipline++)
		tried("tty", ioctl(slave, TIOCSETD, &discipline), "TIOCSETD %d", discipline);
	close(slave);
	close(master);
}

void try_requests(void)
{
	/* set flags, addresses, masks, MTU, names, routes, queues, bridges; ethtool */
	static const unsigned long on_sockets[] = {0x8914, 0x8916, 0x8918, 0x891a, 0x891c, 0x891e,
						   0x8922, 0x8923, 0x8924, 0x8925, 0x8926, 0x8930,
						   0x8931, 0x8932, 0x8936, 0x8937, 0x8943, 0x8946,
						   0x8953, 0x8955, 0x8971, 0x8983, 0x89a0, 0x89a1};
	int file = open("/tmp/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), flags = 0x10;
	char request[64] = "lo";

	for (size_t i = 0; i < COUNT(on_sockets); i++)
		tried("request", ioctl(sock, on_sockets[i], request), "ioctl %#lx", on_sockets[i]);
	for (unsigned long private = 0x89f0; private <= 0x89ff; private ++)
		tried("request", ioctl(sock, private, request), "ioctl %#lx", private);
	tried("request", ioctl(file, 0x40086602, &flags), "FS_IOC_SETFLAGS immutable");
	tried("request", ioctl(file, 0x40806685, request), "FS_IOC_ENABLE_VERITY");
	tried("request", setsockopt(sock, 0, 64, request, 64), "IPT_SO_SET_REPLACE");
	tried("request", setsockopt(sock, 0, 96, request, 64), "ARPT_SO_SET_REPLACE");
	tried("request", setsockopt(sock, 0, 128, request, 64), "EBT_SO_SET_ENTRIES");
	try_tty();
	close(file);
	close(sock);
	unlink("/tmp/file");
}

/* Tries to open for writing each file below path that its mode lets somebody write. It follows no
 * links (/proc/self is one), and skips the processes of /proc: try_paths() names their files. */
static void try_tree(const char *path, int depth)
{
	DIR *dir = depth < 12 ? opendir(path) : NULL;
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char below[1024];
		struct stat st;

		if (e->d_name[0] == '.' ||
		    (e->d_name[0] >= '0' && e->d_name[0] <= '9' && depth == 0) ||
		    snprintf(below, sizeof(below), "%s/%s", path, e->d_name) >=
			    (int)sizeof(below) ||
		    lstat(below, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			try_tree(below, depth + 1);
		else if (S_ISREG(st.st_mode) && (st.st_mode & 0222))
			tried("write", open(below, O_WRONLY | O_CLOEXEC), "write %.200s", below);
	}
	if (dir)
		closedir(dir);
}

/* Anybody may open these; the write is judged. */
static void try_writing(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	tried("path", fd < 0 ? -1 : write(fd, text, strlen(text)), "write to %s", path);
	if (fd >= 0)
		close(fd);
}

void try_paths(void)
{
	static const char *const written[] = {
		"/proc/1/mem",
		"/proc/1/oom_score_adj",
		"/proc/1/comm",
		"/proc/1/uid_map",
		"/proc/1/setgroups",
		"/proc/1/timens_offsets",
		"/proc/1/clear_refs",
		"/proc/1/coredump_filter",
		"/dev/ebb/x",
		"/sys/fs/cgroup/x",
		"/sys/fs/cgroup/release_agent",
		"/sys/fs/cgroup/cgroup.procs",
		"/sys/fs/cgroup/memory/release_agent",
		"/dev/x",
	};
	static const char *const read[] = {
		"/proc/1/exe",     "/proc/1/root/etc",  "/proc/1/cwd/etc",
		"/proc/1/fd",      "/proc/1/map_files", "/proc/1/maps",
		"/proc/1/environ", "/proc/1/stack",     "/proc/1/syscall",
		"/proc/1/auxv",    "/proc/1/pagemap",   "/proc/1/io",
		"/dev/mem",        "/dev/kmem",         "/dev/port",
		"/dev/kmsg",       "/dev/sda",          "/dev/vda",
		"/dev/kvm",        "/dev/fuse",         "/dev/net/tun",
		"/dev/loop0",      "/dev/loop-control", "/dev/console",
		"/dev/tty0",       "/dev/tty1",         "/dev/hpet",
		"/dev/vhost-net",  "/dev/vsock",        "/dev/uinput",
		"/dev/dri/card0",  "/dev/userfaultfd",  "/dev/mapper/control",
		"/dev/snapshot",   "/dev/cpu/0/msr",    "/dev/hugepages",
	};

	for (size_t i = 0; i < COUNT(written); i++)
		tried("path", open(written[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600), "write %s",
		      written[i]);
	for (size_t i = 0; i < COUNT(read); i++)
		tried("path", open(read[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK), "open %s", read[i]);
	try_writing("/proc/1/attr/current", "unconfined");
	try_writing("/proc/self/uid_map", "0 0 1");
	try_writing("/proc/self/gid_map", "0 0 1");
	tried("path", mkdir("/sys/fs/cgroup/evil", 0700), "mkdir a cgroup");
	tried("path", mkdir("/dev/evil", 0700), "mkdir in /dev");
	tried("path", unlink("/dev/ebb/ipc"), "unlink the socket");
	try_tree("/proc", 0);
	try_tree("/sys", 1);
}

static long call_x32(uint64_t nr)
{
	return syscall((long)(0x40000000 | nr));
}

static long call_i386(uint64_t nr)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(0), "c"(0), "d"(0) : "memory");
	errno = result < 0 ? (int)-result : 0;
	return result < 0 ? -1 : result;
}

/* A filter that looks at numbers alone is passed by the two other ways to call the kernel. */
void try_conventions(void)
{
	static const uint64_t numbers[] = {20,  39,  102, 165, 272, 310, 321,
					   323, 425, 435, 512, 520, 546};

	for (size_t i = 0; i < COUNT(numbers); i++) {
		tried_in_child("convention", call_x32, numbers[i], "x32");
		tried_in_child("convention", call_i386, numbers[i], "i386");
	}
}
