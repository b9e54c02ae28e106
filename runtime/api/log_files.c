// SPDX-License-Identifier: Apache-2.0
/* The files behind the logs: appending, turning over, throwing away the oldest. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/api/logs.h"
#include "runtime/api/state.h"
#include "runtime/base/fd.h"
#include "runtime/base/text.h"

#define FILE_BYTES_MAX      (8 << 20) /* then NAME.log becomes NAME.log.1 */
#define DEAD_INSTANCES_KEPT 16

struct dead {
	char instance[INSTANCE_ID_SIZE];
	struct timespec last;
};

/* The file is opened for each batch and not kept open: 4,095 instances (INSTANCES_MAX) must not
 * cost 4,095 descriptors. */
int log_append(int log_dir_fd, const char *service, const char *instance, const char *lines,
	       size_t size)
{
	SCOPED_FD dir_fd = state_dir(log_dir_fd, service);
	SCOPED_FD fd = -1;
	char file[INSTANCE_ID_SIZE + 8], old[INSTANCE_ID_SIZE + 8];
	struct stat st;

	if (dir_fd < 0)
		return dir_fd;
	snprintf(file, sizeof(file), "%s.log", instance);
	snprintf(old, sizeof(old), "%s.log.1", instance);
	if (fstatat(dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_size + (off_t)size > FILE_BYTES_MAX && renameat(dir_fd, file, dir_fd, old) < 0)
		return -errno;
	fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	return fd < 0 ? -errno : fd_write_all(fd, lines, size);
}

static bool older(const struct dead *a, const struct dead *b)
{
	return a->last.tv_sec != b->last.tv_sec ? a->last.tv_sec < b->last.tv_sec
						: a->last.tv_nsec < b->last.tv_nsec;
}

struct pruning {
	bool (*is_live)(const void *self, const char *instance);
	const void *self;
	int dir_fd;
	struct dead kept[DEAD_INSTANCES_KEPT];
	size_t count;
};

static void remove_logs(int dir_fd, const char *instance)
{
	char file[INSTANCE_ID_SIZE + 8];

	snprintf(file, sizeof(file), "%s.log", instance);
	(void)unlinkat(dir_fd, file, 0);
	snprintf(file, sizeof(file), "%s.log.1", instance);
	(void)unlinkat(dir_fd, file, 0);
}

/* Keeps this instance in place of the oldest one kept, if that one is older. */
static int consider(void *ctx, const char *file)
{
	struct pruning *p = ctx;
	struct dead dead, *oldest = p->kept;
	struct stat st;

	if (text_format(dead.instance, sizeof(dead.instance), "%.*s", (int)(strlen(file) - 4),
			file) < 0 ||
	    p->is_live(p->self, dead.instance) ||
	    fstatat(p->dir_fd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	dead.last = st.st_mtim;
	if (p->count < DEAD_INSTANCES_KEPT) {
		p->kept[p->count++] = dead;
		return 0;
	}
	for (size_t i = 1; i < p->count; i++)
		if (older(&p->kept[i], oldest))
			oldest = &p->kept[i];
	if (older(&dead, oldest)) {
		remove_logs(p->dir_fd, dead.instance);
		return 0;
	}
	remove_logs(p->dir_fd, oldest->instance);
	*oldest = dead;
	return 0;
}

void log_prune(int log_dir_fd, const char *service,
	       bool (*is_live)(const void *self, const char *instance), const void *self)
{
	SCOPED_FD dir_fd =
		openat(log_dir_fd, service, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct pruning p = {.is_live = is_live, .self = self, .dir_fd = dir_fd};

	if (dir_fd >= 0)
		(void)state_list(dir_fd, ".log", consider, &p);
}
