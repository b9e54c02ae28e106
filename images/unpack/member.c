// SPDX-License-Identifier: Apache-2.0
#include "images/unpack/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define READ_BLOCK_BYTES 65536
#define LINKS_MAX        4 /* docker save links repeated layers to the first */

/* The name without leading "./" and "/". */
static const char *plain_name(const char *name)
{
	while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
		name += name[0] == '/' ? 1 : 2;
	return name;
}

static struct archive *outer_open(struct unpack *u)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	archive_read_support_format_tar(a);
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_zstd(a);
	if (lseek(u->source_fd, 0, SEEK_SET) == 0 &&
	    archive_read_open_fd(a, u->source_fd, READ_BLOCK_BYTES) == ARCHIVE_OK)
		return a;
	(void)unpack_fail(u, -EINVAL, "the archive is not a tar file: %s",
			  archive_error_string(a) ? archive_error_string(a) : strerror(errno));
	archive_read_free(a);
	return NULL;
}

/* Moves the archive to the entry with this name. 0, or -ENOENT. */
static int outer_find(struct unpack *u, struct archive *a, const char *name,
		      struct archive_entry **out)
{
	for (unsigned int i = 0; i < MEMBERS_MAX; i++) {
		struct archive_entry *e;
		int r = archive_read_next_header(a, &e);

		if (r == ARCHIVE_EOF)
			return -ENOENT;
		if (r < ARCHIVE_WARN)
			return unpack_fail(u, -EINVAL, "the archive is damaged: %s",
					   archive_error_string(a));
		if (archive_entry_pathname(e) &&
		    strcmp(plain_name(archive_entry_pathname(e)), name) == 0) {
			*out = e;
			return 0;
		}
	}
	return unpack_fail(u, -E2BIG, "the archive has more than %u files", MEMBERS_MAX);
}

/* The target of a link in the outer archive, as a name in that archive. */
static int link_target(const struct archive_entry *entry, const char *name, char *out)
{
	struct archive_entry *e = (struct archive_entry *)(uintptr_t)entry;
	const char *target = archive_entry_symlink(e);
	const char *slash = strrchr(name, '/');
	size_t dir_size = slash ? (size_t)(slash - name) + 1 : 0;

	if (!target)
		return text_copy(out, MEMBER_NAME_SIZE, plain_name(archive_entry_hardlink(e)));
	while (strncmp(target, "../", 3) == 0 && dir_size > 0) {
		target += 3;
		for (dir_size--; dir_size > 0 && name[dir_size - 1] != '/'; dir_size--)
			;
	}
	return text_format(out, MEMBER_NAME_SIZE, "%.*s%s", (int)dir_size, name, target);
}

/* Opens a member. 0; 1 if it is a link, with the name of its target in out_next; or -errno. */
static int member_open_once(struct unpack *u, const char *name, struct member *out, char *out_next)
{
	struct archive *a = outer_open(u);
	struct archive_entry *e = NULL;
	int r;

	if (!a)
		return -EINVAL;
	r = outer_find(u, a, name, &e);
	if (r == 0 && (archive_entry_symlink(e) || archive_entry_hardlink(e)))
		r = link_target(e, name, out_next) < 0 ? -ENAMETOOLONG : 1;
	else if (r == 0 && archive_entry_filetype(e) != AE_IFREG)
		r = unpack_fail(u, -EINVAL, "%s in the archive is not a file", name);
	if (r != 0) {
		archive_read_free(a);
		return r;
	}
	out->archive = a;
	out->entry = e;
	out->size = (uint64_t)archive_entry_size(e);
	return text_copy(out->name, sizeof(out->name), name);
}

int member_open(struct unpack *u, const char *name, struct member *out)
{
	char at[MEMBER_NAME_SIZE], next[MEMBER_NAME_SIZE];

	if (text_copy(at, sizeof(at), plain_name(name)) < 0)
		return unpack_fail(u, -ENAMETOOLONG, "the archive names a file of over %zu bytes",
				   sizeof(at));
	for (int i = 0; i <= LINKS_MAX; i++) {
		int r = member_open_once(u, at, out, next);

		if (r <= 0)
			return r;
		memcpy(at, next, sizeof(at));
	}
	return unpack_fail(u, -ELOOP, "%s in the archive: too many links", name);
}

int member_open_source(struct unpack *u, struct member *out)
{
	struct archive *a = archive_read_new();

	if (!a)
		return -ENOMEM;
	archive_read_support_format_raw(a);
	(void)text_copy(out->name, sizeof(out->name), "the file");
	out->archive = a;
	if (lseek(u->source_fd, 0, SEEK_SET) == 0 &&
	    archive_read_open_fd(a, u->source_fd, BLOCK_BYTES) == ARCHIVE_OK &&
	    archive_read_next_header(a, &out->entry) >= ARCHIVE_WARN)
		return 0;
	return unpack_fail(u, -EINVAL, "the archive cannot be read: %s", archive_error_string(a));
}

void member_close(struct member *m)
{
	if (m->archive)
		archive_read_free(m->archive);
	m->archive = NULL;
}

ssize_t member_read(struct unpack *u, struct member *m, void *buf, size_t size)
{
	la_ssize_t n = archive_read_data(m->archive, buf, size);

	if (n >= 0)
		return (ssize_t)n;
	return unpack_fail(u, -EIO, "%s in the archive is cut short or damaged: %s", m->name,
			   archive_error_string(m->archive));
}

static int load_all(struct unpack *u, struct member *m, char *text)
{
	uint64_t done = 0;

	while (done < m->size) {
		ssize_t n = member_read(u, m, text + done, m->size - done);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return unpack_fail(u, -EIO, "%s in the archive is cut short", m->name);
		done += (uint64_t)n;
	}
	text[done] = '\0';
	return 0;
}

int member_load(struct unpack *u, const char *name, char **out, size_t *out_size)
{
	struct member m = {0};
	SCOPED_MEM char *text = NULL;
	int r = member_open(u, name, &m);

	if (r == -ENOENT)
		return unpack_fail(u, r, "the archive has no %s", name);
	if (r < 0)
		return r;
	if (m.size > JSON_BLOB_BYTES_MAX)
		r = unpack_fail(u, -E2BIG, "%s in the archive is over %u bytes", name,
				JSON_BLOB_BYTES_MAX);
	else
		text = malloc(m.size + 1);
	if (r == 0)
		r = text ? load_all(u, &m, text) : -ENOMEM;
	if (r == 0) {
		*out_size = m.size;
		*out = keep_mem(text);
	}
	member_close(&m);
	return r;
}
