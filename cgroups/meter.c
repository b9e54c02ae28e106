// SPDX-License-Identifier: Apache-2.0
/* Reads the use of a leaf: cpu.stat from cgroup2 always, memory from the hierarchy of its
 * controller. */
#include "cgroups/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* Finds "key value\n"; the key must be the whole word (oom_kill is also the start of
 * oom_kill_disable). */
static int field_parse(const char *text, const char *key, uint64_t *out)
{
	size_t size = strlen(key);

	while (*text) {
		const char *end = strchrnul(text, '\n');

		if (strncmp(text, key, size) == 0 && text[size] == ' ') {
			char digits[24] = {0};
			size_t n = (size_t)(end - text) - size - 1;

			if (n >= sizeof(digits))
				return -EBADMSG;
			memcpy(digits, text + size + 1, n);
			return text_parse_u64(digits, 0, UINT64_MAX, out) ? -EBADMSG : 0;
		}
		text = *end ? end + 1 : end;
	}
	return -ENODATA;
}

/* A file of the kernel in one read: it makes the whole text at once. */
static int read_text(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return 0;
}

int cgroup_field_read(int fd, const char *key, uint64_t *out)
{
	char text[2048];
	int r = read_text(fd, text, sizeof(text));

	return r < 0 ? r : field_parse(text, key, out);
}

int cgroup_cpu(const struct cgroup *g, struct cgroup_cpu *out)
{
	struct cgroup_cpu cpu;
	char text[2048];
	int r = read_text(g->stat_fd, text, sizeof(text));

	if (r == 0)
		r = field_parse(text, "usage_usec", &cpu.usage_us);
	if (r == 0)
		r = field_parse(text, "user_usec", &cpu.user_us);
	if (r == 0)
		r = field_parse(text, "system_usec", &cpu.system_us);
	if (r == 0)
		*out = cpu;
	return r;
}

int cgroup_stalled_us(const struct cgroup *g, uint64_t *out)
{
	SCOPED_FD fd = openat(g->dir_fd, "cpu.pressure", O_RDONLY | O_CLOEXEC);
	char text[256], *at;
	int r = fd < 0 ? -errno : read_text(fd, text, sizeof(text));

	if (r < 0) /* EOPNOTSUPP: compiled in and switched off */
		return r == -ENOENT || r == -EOPNOTSUPP ? -ENODATA : r;
	at = strstr(text, " total="); /* of the first line, "some" */
	if (!at || strncmp(text, "some ", 5) != 0)
		return -EBADMSG;
	at += 7;
	at[strcspn(at, "\n")] = '\0';
	return text_parse_u64(at, 0, UINT64_MAX, out) ? -EBADMSG : 0;
}

int cgroup_frozen_us(const struct cgroup *g, uint64_t *out)
{
	SCOPED_FD fd = openat(g->dir_fd, "cgroup.stat.local", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ENODATA : -errno;
	return cgroup_field_read(fd, "frozen_usec", out);
}

static int open_memory_file(const struct cgroup_tree *t, const struct cgroup *g, const char *v2,
			    const char *v1)
{
	unsigned int home = t->home[CGROUP_MEMORY];
	char path[640];
	int r = text_format(path, sizeof(path), "%s/%s", g->path, home == 0 ? v2 : v1);

	must(home < t->count);
	if (r < 0)
		return r;
	r = openat(t->at[home].tree_fd, path, O_RDONLY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

int cgroup_memory_bytes(struct cgroup_tree *t, const struct cgroup *g, uint64_t *out)
{
	SCOPED_FD fd = open_memory_file(t, g, "memory.current", "memory.usage_in_bytes");
	char text[32];
	int r = fd < 0 ? fd : read_text(fd, text, sizeof(text));

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return text_parse_u64(text, 0, UINT64_MAX, out) ? -EBADMSG : 0;
}

int cgroup_oom_kills(struct cgroup_tree *t, const struct cgroup *g, uint64_t *out)
{
	SCOPED_FD fd = open_memory_file(t, g, "memory.events", "memory.oom_control");

	return fd < 0 ? fd : cgroup_field_read(fd, "oom_kill", out);
}
