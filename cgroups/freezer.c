// SPDX-License-Identifier: Apache-2.0
/* cgroup.freeze, cgroup.events, cgroup.kill: cgroup2 core files that need no controller. */
#include "cgroups/tree.h"

#include <errno.h>
#include <unistd.h>

#include "runtime/base/fd.h"

static int write_digit(int fd, const char *digit)
{
	ssize_t n = pwrite(fd, digit, 1, 0);

	return n < 0 ? -errno : 0;
}

int cgroup_freeze(struct cgroup *g)
{
	return write_digit(g->freeze_fd, "1");
}

int cgroup_thaw(struct cgroup *g)
{
	return write_digit(g->freeze_fd, "0");
}

static int read_event(const struct cgroup *g, const char *key)
{
	uint64_t value;
	int r = cgroup_field_read(g->events_fd, key, &value);

	return r < 0 ? r : value != 0;
}

int cgroup_frozen(const struct cgroup *g)
{
	return read_event(g, "frozen");
}

int cgroup_populated(const struct cgroup *g)
{
	return read_event(g, "populated");
}

int cgroup_kill(struct cgroup *g)
{
	return fd_write_file_at(g->dir_fd, "cgroup.kill", "1");
}
