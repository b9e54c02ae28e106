// SPDX-License-Identifier: Apache-2.0
/* Probes of file systems and mounts; a mount is tried in a child with its own mount namespace. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/cli/doctor.h"
#include "runtime/cli/upload.h"

/* glibc's <sys/mount.h> and <linux/mount.h> cannot be included together before 2.37. */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
#define MS_RDONLY_FLAG 1UL

static bool listed(const char *type)
{
	char text[4096], word[64];

	snprintf(word, sizeof(word), "\t%s\n", type);
	return fd_read_file_at(AT_FDCWD, "/proc/filesystems", text, sizeof(text)) > 0 &&
	       strstr(text, word);
}

/* fsopen(2) loads the module, as mounting would. 0 or -errno. */
static int try_filesystem(const char *type)
{
	SCOPED_FD context_fd = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

	if (context_fd >= 0 || listed(type))
		return 0;
	return -errno;
}

void probe_overlay(struct host *host, struct finding *f)
{
	int r = try_filesystem("overlay");

	if (r == 0)
		finding_ok(f, "overlay is there");
	else if (r == -EPERM)
		finding_needs_root(f);
	else
		finding_bad(f, FINDING_FAIL, "modprobe overlay (CONFIG_OVERLAY_FS)",
			    "no overlay file system: %s", strerror(-r));
}

/* Mounts the image in a mount namespace that ends with the child. The exit status of the child is
 * the errno. */
static int try_mount_image(const char *image, const char *point)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, (1UL << 18) | (1UL << 14), NULL) < 0) /* rprivate */
			_exit(errno);
		_exit(mount(image, point, "erofs", MS_RDONLY_FLAG, NULL) == 0 ? 0 : errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int try_image(const char *dir)
{
	char image[128], point[128], source[128];
	const char *argv[] = {"mkfs.erofs", "--quiet", image, source, NULL};
	pid_t pid;
	int r;

	snprintf(image, sizeof(image), "%s/image", dir);
	snprintf(point, sizeof(point), "%s/point", dir);
	snprintf(source, sizeof(source), "%s/source", dir);
	if (mkdir(point, 0700) < 0 || mkdir(source, 0700) < 0)
		return -errno;
	pid = process_start(argv, NULL);
	if (pid < 0)
		return pid;
	r = process_wait(pid);
	return r == 0 ? try_mount_image(image, point) : (r < 0 ? r : -ENOEXEC);
}

void probe_erofs(struct host *host, struct finding *f)
{
	char dir[] = "/tmp/ebb-doctor-XXXXXX";
	int r = try_filesystem("erofs");

	if (r == -EPERM || (r == 0 && !host->root)) {
		finding_needs_root(f);
		return;
	}
	if (r < 0) {
		finding_bad(f, FINDING_WARN, "modprobe erofs (CONFIG_EROFS_FS)",
			    "no erofs: images are kept as plain directories");
		return;
	}
	r = mkdtemp(dir) ? try_image(dir) : -errno;
	fd_rmtree_at(AT_FDCWD, dir);
	if (r == 0)
		finding_ok(f, "an image mounts straight from its file");
	else if (r == -ENOENT || r == -ENOEXEC)
		finding_bad(f, FINDING_WARN, "apt install erofs-utils", "mkfs.erofs does not run");
	else
		finding_bad(f, FINDING_WARN,
			    "Linux 6.12 or newer with CONFIG_EROFS_FS_BACKED_BY_FILE",
			    "erofs from a file: %s; plain directories instead", strerror(-r));
}

/* Makes an idle child in a user namespace with a map. Returns a descriptor of the namespace or
 * -errno. */
static int userns_open(pid_t *out_pid)
{
	char path[64];
	int ready[2], ns_fd, r;
	pid_t pid;
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		byte = unshare(CLONE_NEWUSER) == 0 ? 'y' : 'n';
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	fd_close(&ready[1]);
	r = pid < 0 ? -errno : (int)fd_read_all(ready[0], &byte, 1);
	fd_close(&ready[0]);
	*out_pid = pid;
	if (r != 1 || byte != 'y')
		return r < 0 ? r : -EPERM;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	r = fd_write_file_at(AT_FDCWD, path, "0 1879048192 65536\n");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)pid);
	if (r == 0)
		r = fd_write_file_at(AT_FDCWD, path, "0 1879048192 65536\n");
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	ns_fd = r == 0 ? open(path, O_RDONLY | O_CLOEXEC) : r;
	return ns_fd < 0 && r == 0 ? -errno : ns_fd;
}

/* Makes an id-mapped clone of the mount that holds path; the clone is never attached. */
static int try_idmap(const char *path, int ns_fd)
{
	SCOPED_FD tree_fd =
		(int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)ns_fd};

	if (tree_fd < 0)
		return -errno;
	return syscall(SYS_mount_setattr, tree_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0
		       ? -errno
		       : 0;
}

void probe_idmap(struct host *host, struct finding *f)
{
	const char *state = access("/var/lib/ebb", F_OK) == 0 ? "/var/lib/ebb" : "/var/lib";
	SCOPED_FD ns_fd = -1;
	pid_t pid = 0;
	int r;

	if (!host->root) {
		finding_needs_root(f);
		return;
	}
	ns_fd = userns_open(&pid);
	r = ns_fd < 0 ? ns_fd : try_idmap(state, ns_fd);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (r == 0)
		finding_ok(f, "%s can be mounted with other ids", state);
	else
		finding_bad(f, FINDING_FAIL,
			    "Linux 5.12 or newer, and state on ext4, xfs, btrfs or tmpfs",
			    "idmapped mount of %s: %s", state, strerror(-r));
}
