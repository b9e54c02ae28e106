// SPDX-License-Identifier: Apache-2.0
/* Finds cgroup file systems in /proc/self/mountinfo (proc(5)) and our own place in cgroup2. */
#include "cgroups/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

bool cgroup_list_has(const char *list, const char *word, const char *separators)
{
	size_t size = strlen(word);

	for (const char *p = list; *p; p += strspn(p, separators)) {
		size_t n = strcspn(p, separators);

		if (n == size && memcmp(p, word, n) == 0)
			return true;
		p += n;
	}
	return false;
}

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		unsigned int byte;

		if (sscanf(from, "\\%3o", &byte) == 1) {
			*to = (char)byte;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /mountpoint options optional... - type source super-options" */
static bool parse_mount(const char *line, const char *fs_type, const char *option,
			struct cgroup_mount *m)
{
	const char *tail = strstr(line, " - ");
	char type[64], super[512];

	if (!tail || sscanf(tail, " - %63s %*s %511s", type, super) != 2)
		return false;
	if (strcmp(type, fs_type) != 0 || (option && !cgroup_list_has(super, option, ",")))
		return false;
	if (sscanf(line, "%*d %*d %*s %511s %511s", m->root, m->path) != 2)
		return false;
	unescape(m->root);
	unescape(m->path);
	return true;
}

/* Opens the mount point, unless something else has been mounted over it. */
static int open_mount(const char *fs_type, const char *path)
{
	SCOPED_FD dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long magic = strcmp(fs_type, "cgroup2") == 0 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
	struct statfs fs;

	if (dir_fd < 0 || fstatfs(dir_fd, &fs) < 0)
		return -errno;
	return fs.f_type == magic ? keep_fd(&dir_fd) : -ENOENT;
}

int cgroup_mount_find(const char *fs_type, const char *option, struct cgroup_mount *out)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	SCOPED_MEM char *line = NULL;
	struct cgroup_mount m;
	size_t size = 0;
	int fd = -ENOENT;

	if (!file)
		return -errno;
	while (fd < 0 && getline(&line, &size, file) > 0)
		if (parse_mount(line, fs_type, option, &m))
			fd = open_mount(fs_type, m.path);
	fclose(file);
	if (fd < 0)
		return fd;
	m.dir_fd = fd;
	*out = m;
	return 0;
}

/* Our own cgroup2 directory as a path below the mount ("." = the mount itself). -ENOENT if the
 * mount does not show it. */
static int own_path(const struct cgroup_mount *m, char *out, size_t size)
{
	char text[4096], *line, *end;
	size_t skip = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root);
	ssize_t n = fd_read_file_at(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));

	if (n < 0)
		return (int)n;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return -ENOENT;
	line = strchr(line, '/');
	end = line ? strchr(line, '\n') : NULL;
	if (!end)
		return -ENOENT;
	*end = '\0';
	if (strncmp(line, "/..", 3) == 0 || strncmp(line, m->root, skip) != 0)
		return -ENOENT;
	line += skip;
	if (skip > 0 && *line && *line != '/')
		return -ENOENT;
	line += strspn(line, "/");
	return text_copy(out, size, *line ? line : ".");
}

/* systemd sets this mark on a unit's cgroup for Delegate=yes (systemd's CGROUP_DELEGATION.md). */
static bool is_delegated(int dir_fd)
{
	char value[8];

	return fgetxattr(dir_fd, "trusted.delegate", value, sizeof(value)) > 0 ||
	       fgetxattr(dir_fd, "user.delegate", value, sizeof(value)) > 0;
}

static int open_if_delegated(const struct cgroup_mount *m, const char *path)
{
	SCOPED_FD dir_fd = openat(m->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return -errno;
	return is_delegated(dir_fd) ? keep_fd(&dir_fd) : -ENOENT;
}

/* Opens own if it is delegated, or the directory above it when we are in its supervisor leaf. own
 * is cut to the opened path; *inside: we are in the opened directory itself. */
static int open_delegated(const struct cgroup_mount *m, char *own, bool *inside)
{
	char *slash = strrchr(own, '/');
	int fd = open_if_delegated(m, own);

	*inside = fd >= 0;
	if (fd >= 0 || !slash || strcmp(slash + 1, CGROUP_SUPERVISOR_LEAF) != 0)
		return fd;
	*slash = '\0';
	return open_if_delegated(m, own);
}

int cgroup_base_find(struct cgroup_mount *m, struct cgroup_hierarchy *base, bool *inside)
{
	char own[512];
	bool in_delegated = false;
	bool known = own_path(m, own, sizeof(own)) == 0;
	int fd = -ENOENT;

	if (known && strcmp(own, ".") != 0)
		fd = open_delegated(m, own, &in_delegated);
	if (fd < 0) {
		base->base_fd = keep_fd(&m->dir_fd);
		*inside = known && strcmp(own, ".") == 0;
		return text_copy(base->path, sizeof(base->path), m->path);
	}
	fd_close(&m->dir_fd);
	base->base_fd = fd;
	*inside = in_delegated;
	return text_format(base->path, sizeof(base->path), "%s/%s", m->path, own);
}
