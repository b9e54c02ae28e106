// SPDX-License-Identifier: Apache-2.0
/* The members of a leaf, as the host numbers them. */
#include "cgroups/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/fd.h"

/* The kernel writes one decimal number a line. */
static int members(const struct cgroup *g, const char *file, pid_t *out, uint32_t max)
{
	SCOPED_FD fd = openat(g->dir_fd, file, O_RDONLY | O_CLOEXEC);
	uint32_t count = 0;
	char text[4096];
	pid_t id = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (count < max && (n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				id = id * 10 + (text[i] - '0');
				continue;
			}
			if (id > 0 && count < max)
				out[count++] = id;
			id = 0;
		}
	}
	return n < 0 ? -errno : (int)count;
}

int cgroup_threads(const struct cgroup *g, pid_t *out, uint32_t max)
{
	return members(g, "cgroup.threads", out, max);
}

int cgroup_processes(const struct cgroup *g, pid_t *out, uint32_t max)
{
	return members(g, "cgroup.procs", out, max);
}
