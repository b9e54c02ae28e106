// SPDX-License-Identifier: Apache-2.0
#include "tree.h"

#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FNV_BEGIN UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static void send_text(struct call *c, const char *text, size_t size)
{
	if (c->fd == STDOUT_FILENO)
		(void)fwrite(text, 1, size, stdout);
	else
		(void)call_write(c, text, size, true);
}

static void send_hex(struct call *c, const char *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	char out[2 * 4096];
	size_t used = 0;

	for (size_t i = 0; i < size && used + 2 <= sizeof(out); i++) {
		out[used++] = digits[(unsigned char)data[i] >> 4];
		out[used++] = digits[(unsigned char)data[i] & 15];
	}
	send_text(c, used ? out : "-", used ? used : 1);
}

static uint64_t content(const char *path)
{
	uint64_t hash = FNV_BEGIN;
	unsigned char block[8192];
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ block[i]) * FNV_PRIME;
	if (fd >= 0)
		close(fd);
	return fd < 0 ? 0 : hash;
}

static void send_attributes(struct call *c, const char *path)
{
	char names[4096], value[4096];
	ssize_t size = llistxattr(path, names, sizeof(names));

	for (const char *name = names; name < names + size; name += strlen(name) + 1) {
		ssize_t n = lgetxattr(path, name, value, sizeof(value));

		send_text(c, " ", 1);
		send_hex(c, name, strlen(name));
		send_text(c, "=", 1);
		send_hex(c, value, n < 0 ? 0 : (size_t)n);
	}
}

static void send_entry(struct call *c, const char *top, const FTSENT *e)
{
	const struct stat *s = e->fts_statp;
	const char *below = e->fts_path + strlen(top);
	char line[256], target[PATH_MAX];
	ssize_t n = S_ISLNK(s->st_mode) ? readlink(e->fts_accpath, target, sizeof(target)) : 0;

	while (*below == '/')
		below++;
	n = n < 0 ? 0 : n;
	snprintf(line, sizeof(line), "%o %u %u %lld %lld.%09ld %llu:%llu %llx ", s->st_mode,
		 s->st_uid, s->st_gid, S_ISREG(s->st_mode) ? (long long)s->st_size : 0LL,
		 (long long)s->st_mtim.tv_sec, s->st_mtim.tv_nsec, (unsigned long long)s->st_dev,
		 (unsigned long long)s->st_ino,
		 S_ISREG(s->st_mode) ? (unsigned long long)content(e->fts_accpath) : 0ULL);
	send_text(c, line, strlen(line));
	send_hex(c, below, strlen(below));
	send_text(c, " ", 1);
	send_hex(c, target, (size_t)n);
	send_attributes(c, e->fts_accpath);
	send_text(c, "\n", 1);
}

static int send_tree(struct call *c, const char *path)
{
	char *const paths[] = {(char *)path, NULL};
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	FTSENT *e;

	while (tree && (e = fts_read(tree)))
		if (e->fts_info != FTS_DP)
			send_entry(c, path, e);
	return tree ? fts_close(tree) : -1;
}

void on_tree(struct call *c)
{
	char path[1024];

	call_text(c, "path", path, sizeof(path));
	call_begin(c, 200, "text/plain", -1);
	(void)send_tree(c, path);
	call_end_chunks(c);
}

int tree_print(const char *path)
{
	static struct call c = {.fd = STDOUT_FILENO}; /* large for a stack */

	return send_tree(&c, path) != 0;
}
