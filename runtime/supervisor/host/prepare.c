// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define DYING_MS 5000

int host_open_stdin(void)
{
	SCOPED_FD null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ? -errno : 0;
}

int host_leave_no_core(void)
{
	return prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;
}

int host_raise_limits(struct config *config)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	if (config->nofile_max > files.rlim_max) {
		log_warn("event=limit_lowered key=nofile_max from=%" PRIu64 " to=%" PRIu64
			 " cause=\"the hard limit of ebbd itself\"",
			 config->nofile_max, (uint64_t)files.rlim_max);
		config->nofile_max = files.rlim_max;
	}
	return 0;
}

static int make_directory(const struct host_directory *dir)
{
	int r = fd_mkdir_p(AT_FDCWD, dir->path, 0755);

	if (r < 0)
		return r;
	return chmod(dir->path, dir->mode) < 0 || chown(dir->path, dir->owner, dir->owner) < 0
		       ? -errno
		       : 0;
}

int host_make_directories(const struct host_directory *dirs, size_t count, struct fault *f)
{
	for (size_t i = 0; i < count; i++) {
		int r = make_directory(&dirs[i]);

		if (r < 0)
			return fault_errno(f, r, "cannot make %s", dirs[i].path);
	}
	return 0;
}

/* A keeper that was killed has gone before its ebbd, which dies a moment later and has the lock
 * until then. A holder that lives is not waited for. */
static void await_dying_holder(int fd)
{
	uint64_t until_ns = clock_mono_ns() + DYING_MS * NS_PER_MS;

	while (clock_mono_ns() < until_ns) {
		struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
		SCOPED_FD pid_fd = -1;
		struct pollfd end = {.events = POLLIN};

		if (fcntl(fd, F_GETLK, &held) < 0 || held.l_type == F_UNLCK)
			return;
		pid_fd = (int)syscall(SYS_pidfd_open, held.l_pid, 0);
		end.fd = pid_fd;
		if (pid_fd >= 0 && poll(&end, 1, 0) == 0)
			return; /* it lives */
		(void)poll(NULL, 0, 1);
	}
}

int host_take_lock(const char *run_dir, int *out_fd, struct fault *f)
{
	/* The lock belongs to this process alone (fcntl(2)). A child that has not reached its exec
	 * when ebbd is killed would keep a lock of flock(2), and does not keep this lock. */
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	SCOPED_FD fd = -1;
	char path[CONFIG_PATH_SIZE + 16];

	(void)text_format(path, sizeof(path), "%s/lock", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fault_errno(f, -errno, "cannot open the lock %s", path);
	await_dying_holder(fd);
	if (fcntl(fd, F_SETLK, &whole) == 0) {
		*out_fd = keep_fd(&fd);
		return 0;
	}
	(void)fault_say(f, -EBUSY, "another ebbd serves from %s (its lock is taken)", run_dir);
	fault_mend(f, "stop it, or use another --root");
	return -EBUSY;
}

int host_make_mounts_private(struct fault *f)
{
	int r;

	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return 0;
	r = fault_errno(f, -errno, "cannot make a private mount namespace");
	fault_mend(f, "ebbd needs root");
	return r;
}

static const char *const programs[] = {"ebb-api",  "ebb-dns",   "ebb-flow",   "ebb-gateway",
				       "ebb-init", "ebb-ipc",   "ebb-ledger", "ebb-net",
				       "ebb-tick", "ebb-unpack"};

const char *host_missing_program(const char *dir)
{
	char path[CONFIG_PATH_SIZE + 32];

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		(void)text_format(path, sizeof(path), "%s/%s", dir, programs[i]);
		if (access(path, X_OK) < 0)
			return programs[i];
	}
	return NULL;
}

/* A mount holds the file itself: another one that is put in its place (rename(2)) changes nothing
 * here. */
static int keep_program(const char *from_dir, const char *dir, const char *name)
{
	char from[CONFIG_PATH_SIZE + 32], to[CONFIG_PATH_SIZE + 32];
	SCOPED_FD fd = -1;

	(void)text_format(from, sizeof(from), "%s/%s", from_dir, name);
	(void)text_format(to, sizeof(to), "%s/%s", dir, name);
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (fd < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0)
		return -errno;
	return 0;
}

void host_forget_programs(const char *dir)
{
	(void)umount2(dir, MNT_DETACH);
}

int host_keep_programs(struct config *config, const char *dir, struct fault *f)
{
	int r = mount("ebb", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755") < 0 ? -errno
											   : 0;

	if (r < 0)
		return fault_errno(f, r, "cannot mount on %s", dir);
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		r = keep_program(config->libexec_dir, dir, programs[i]);
		if (r < 0)
			return fault_errno(f, r, "cannot use %s/%s", config->libexec_dir,
					   programs[i]);
	}
	return text_copy(config->libexec_dir, sizeof(config->libexec_dir), dir);
}
