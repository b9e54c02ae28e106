// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/locks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

/* Without following a link: the names are the image's. */
static int open_in_root(int root_fd, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};

	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

/* The kernel keeps all memfds (and unnamed shared memory) in one file system; whoever shares one
 * was handed its descriptor, which no other instance can be. */
static bool is_memory(dev_t dev)
{
	SCOPED_FD fd = memfd_create("ebb", MFD_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev;
}

/* The file systems nobody else sees: the overlay with its scratch tmpfs, the tmpfs of /dev, and
 * those that belong to its namespaces. */
static bool is_own(pid_t init_pid, dev_t dev)
{
	static const char *const places[] = {".", "dev", "dev/shm", "tmp", "proc", "sys"};
	SCOPED_FD root_fd = -1;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/root", init_pid);
	root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; root_fd >= 0 && i < ARRAY_LEN(places); i++) {
		SCOPED_FD fd = open_in_root(root_fd, places[i]);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == dev)
			return true;
	}
	return is_memory(dev);
}

/* "lock:	1: FLOCK  ADVISORY  WRITE 812 00:2f:4711 0 EOF", proc_pid_fdinfo(5). */
bool lock_in_fdinfo(const char *text, pid_t init_pid, struct held_lock *out)
{
	struct held_lock lock = {0};

	for (; (text = strstr(text, "lock:\t")); text++)
		if (sscanf(text, "lock:\t%*[^:]: %*s %*s %*s %*d %" SCNx32 ":%" SCNx32 ":%" SCNu64,
			   &lock.major, &lock.minor, &lock.inode) == 3 &&
		    !is_own(init_pid, makedev(lock.major, lock.minor))) {
			*out = lock;
			return true;
		}
	return false;
}
