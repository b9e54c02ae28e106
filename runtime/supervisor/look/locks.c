// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/look/locks.h"

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

static void add_dev(struct own_files *own, dev_t dev)
{
	if (own->dev_count < OWN_PLACES)
		own->devs[own->dev_count++] = dev;
}

static void add_place(struct own_files *own, int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) < 0)
		return;
	add_dev(own, makedev(st.stx_dev_major, st.stx_dev_minor));
	must(own->mount_count < OWN_PLACES);
	if (st.stx_mask & STATX_MNT_ID)
		own->mounts[own->mount_count++] = st.stx_mnt_id;
}

/* The kernel keeps all memfds (and unnamed shared memory) in one file system. Only a descriptor
 * shares a memfd, and no other instance can be given the descriptor. */
static void add_memory(struct own_files *own)
{
	SCOPED_FD fd = memfd_create("ebb", MFD_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		add_dev(own, st.st_dev);
}

/* Only the instance has these file systems: the overlay with its scratch tmpfs, the tmpfs of /dev,
 * and the file systems of its namespaces. */
void own_files_read(pid_t init_pid, struct own_files *out)
{
	static const char *const places[] = {".", "dev", "dev/shm", "tmp", "proc", "sys"};
	SCOPED_FD root_fd = -1;
	char path[48];

	*out = (struct own_files){0};
	snprintf(path, sizeof(path), "/proc/%d/root", init_pid);
	root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; root_fd >= 0 && i < ARRAY_LEN(places); i++) {
		SCOPED_FD fd = open_in_root(root_fd, places[i]);

		if (fd >= 0)
			add_place(out, fd);
	}
	add_memory(out);
}

static bool is_own(const struct own_files *own, dev_t dev)
{
	for (uint32_t i = 0; i < own->dev_count; i++)
		if (own->devs[i] == dev)
			return true;
	return false;
}

/* "lock:	1: FLOCK  ADVISORY  WRITE 812 00:2f:4711 0 EOF", proc_pid_fdinfo(5). */
bool lock_in_fdinfo(const char *text, const struct own_files *own, struct held_lock *out)
{
	struct held_lock lock = {0};

	for (; (text = strstr(text, "lock:\t")); text++)
		if (sscanf(text, "lock:\t%*[^:]: %*s %*s %*s %*d %" SCNx32 ":%" SCNx32 ":%" SCNu64,
			   &lock.major, &lock.minor, &lock.inode) == 3 &&
		    !is_own(own, makedev(lock.major, lock.minor))) {
			*out = lock;
			return true;
		}
	return false;
}
