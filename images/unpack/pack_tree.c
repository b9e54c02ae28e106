// SPDX-License-Identifier: Apache-2.0
/*
 * A piece of the store as the tar of a layer (OCI image-spec layer.md). overlayfs's whiteout (a
 * device 0:0) becomes ".wh.NAME", and its opaque directory gets ".wh..wh..opq".
 */
#include "images/unpack/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/sort.h"
#include "runtime/base/text.h"

#define WHITEOUT        ".wh."
#define OPAQUE          ".wh..wh..opq"
#define OPAQUE_XATTR    "user.overlay.opaque"
#define XATTR_LIST_MAX  65536
#define XATTR_VALUE_MAX 65536
/* A longer name, with ".wh." before it, could not be unpacked again (NAME_BYTES_MAX). */
#define HIDDEN_BYTES_MAX (NAME_BYTES_MAX - (sizeof(WHITEOUT) - 1))
#define PATH_SIZE        (PATH_BYTES_MAX + 2 * NAME_BYTES_MAX)

/* A file with several names; it is written under the first, and the others are links to that. */
struct linked {
	uint64_t inode;
	uint64_t left; /* names that were not met yet */
	char *path;    /* owned */
};

struct walker {
	struct unpack *u;
	struct sink *sink;
	uint32_t layer;
	void *links;      /* of struct linked, by inode (tsearch(3)) */
	size_t path_size; /* of path, without its NUL */
	char path[PATH_SIZE];
	char list[XATTR_LIST_MAX], value[XATTR_VALUE_MAX];
};

static int fail(const struct walker *w, int err, const char *cause)
{
	return unpack_fail(w->u, err, "layer %" PRIu32 ": entry %.160s: %s", w->layer + 1, w->path,
			   cause);
}

/* ---- hard links ---- */

static int compare_inodes(const void *a, const void *b)
{
	uint64_t x = ((const struct linked *)a)->inode, y = ((const struct linked *)b)->inode;

	return x < y ? -1 : x > y;
}

static void linked_free(void *self)
{
	struct linked *l = self;

	free(l->path);
	free(l);
}

static struct linked *find_link(const struct walker *w, uint64_t inode)
{
	const struct linked wanted = {.inode = inode};
	void *const *found = tfind(&wanted, &w->links, compare_inodes);

	return found ? *found : NULL;
}

/* Notes the first name of a file that has several. */
static int note_link(struct walker *w, const struct stat *st)
{
	struct linked *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->inode = st->st_ino;
	l->left = st->st_nlink - 1;
	l->path = strdup(w->path);
	if (!l->path || !tsearch(l, &w->links, compare_inodes)) {
		linked_free(l);
		return -ENOMEM;
	}
	return 0;
}

/* The last name of a file takes its note away, so that memory is bounded by links that wait. */
static int put_link(struct walker *w, struct linked *l, const struct stat *st)
{
	const struct tar_entry e = {.path = w->path,
				    .link = l->path,
				    .type = '1',
				    .mode = st->st_mode,
				    .uid = st->st_uid,
				    .gid = st->st_gid,
				    .mtime = st->st_mtim};
	int r = tar_entry_put(w->sink, &e);

	if (--l->left == 0) {
		(void)tdelete(l, &w->links, compare_inodes);
		linked_free(l);
	}
	return r;
}

/* ---- attributes ---- */

/* Whether a layer carries the attribute. Others are overlayfs's own. */
static bool is_carried(const char *name)
{
	return strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0;
}

static int add_attribute(struct walker *w, int fd, const char *name, struct records *out)
{
	char key[sizeof("SCHILY.xattr.") + 256];
	ssize_t n = fgetxattr(fd, name, w->value, sizeof(w->value));

	if (n < 0)
		return fail(w, -errno, strerror(errno));
	if (strchr(name, '=') || text_format(key, sizeof(key), "SCHILY.xattr.%s", name) < 0)
		return fail(w, -EINVAL,
			    "no tar can hold the name of one of its extended attributes");
	return tar_record(out, key, w->value, (size_t)n);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Pointers to the texts of a list of them, sorted; the caller frees. NULL without memory. */
static char **sort_texts(char *list, size_t size, size_t *count)
{
	char **sorted;
	size_t n = 0;

	for (size_t at = 0; at < size; at += strlen(list + at) + 1)
		n++;
	sorted = malloc((n + 1) * sizeof(*sorted));
	*count = n;
	for (size_t at = 0, i = 0; sorted && at < size; at += strlen(list + at) + 1)
		sorted[i++] = list + at;
	if (sorted)
		sort_items(sorted, n, sizeof(*sorted), compare_texts);
	return sorted;
}

static int read_attributes(struct walker *w, int fd, struct records *out)
{
	ssize_t size = flistxattr(fd, w->list, sizeof(w->list));
	SCOPED_MEM char **names = NULL;
	size_t count = 0;
	int r = 0;

	if (size < 0)
		return errno == ENOTSUP ? 0 : fail(w, -errno, strerror(errno));
	names = sort_texts(w->list, (size_t)size, &count);
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++)
		if (is_carried(names[i]))
			r = add_attribute(w, fd, names[i], out);
	return r;
}

/* ---- one entry ---- */

static int put_plain(struct walker *w, const struct stat *st, int fd, struct tar_entry *e)
{
	struct records records = {0};
	int r = fd < 0 ? 0 : read_attributes(w, fd, &records);

	e->path = w->path;
	e->mode = st->st_mode;
	e->uid = st->st_uid;
	e->gid = st->st_gid;
	e->mtime = st->st_mtim;
	e->records = records.text;
	e->records_size = records.size;
	if (r == 0)
		r = tar_entry_put(w->sink, e);
	free(records.text);
	return r;
}

static int copy_content(struct walker *w, int fd, uint64_t size)
{
	unsigned char block[16384];

	while (size > 0) {
		size_t want = size < sizeof(block) ? (size_t)size : sizeof(block);
		ssize_t n = fd_read_all(fd, block, want);
		int r = 0;

		if (n <= 0)
			return fail(w, n < 0 ? (int)n : -EIO,
				    n < 0 ? strerror((int)-n) : "is shorter than it says");
		r = sink_put(w->sink, block, (size_t)n);
		if (r < 0)
			return r;
		size -= (uint64_t)n;
	}
	return sink_pad(w->sink);
}

static int put_file(struct walker *w, int dir_fd, const char *name, const struct stat *st)
{
	struct tar_entry e = {.type = '0', .size = (uint64_t)st->st_size};
	SCOPED_FD fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 ? fail(w, -errno, strerror(errno)) : put_plain(w, st, fd, &e);

	return r < 0 ? r : copy_content(w, fd, e.size);
}

static int put_symlink(struct walker *w, int dir_fd, const char *name, const struct stat *st)
{
	char target[PATH_MAX + 1];
	struct tar_entry e = {.type = '2', .link = target};
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail(w, -errno, strerror(errno));
	target[n] = '\0';
	return put_plain(w, st, -1, &e);
}

/* Replaces the end of the path by ".wh.NAME". */
static int put_whiteout(struct walker *w, const char *name)
{
	size_t parent = w->path_size - strlen(name);
	struct tar_entry e = {.path = w->path, .type = '0'};

	if (strlen(name) > HIDDEN_BYTES_MAX) {
		e.type = '3'; /* as overlayfs has it: a device 0:0 */
		return tar_entry_put(w->sink, &e);
	}
	(void)text_format(w->path + parent, sizeof(w->path) - parent, WHITEOUT "%s", name);
	return tar_entry_put(w->sink, &e);
}

static int put_special(struct walker *w, const char *name, const struct stat *st)
{
	struct tar_entry fifo = {.type = '6'};

	if (S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0))
		return put_whiteout(w, name);
	if (S_ISFIFO(st->st_mode))
		return put_plain(w, st, -1, &fifo);
	return fail(w, -EINVAL, "is of a kind that no layer holds");
}

static int put_other(struct walker *w, int dir_fd, const char *name, const struct stat *st)
{
	struct linked *l = st->st_nlink > 1 ? find_link(w, st->st_ino) : NULL;
	int r = 0;

	/* overlayfs gives all whiteouts of a directory one inode. */
	if (S_ISCHR(st->st_mode))
		return put_special(w, name, st);
	if (l)
		return put_link(w, l, st);
	if (st->st_nlink > 1)
		r = note_link(w, st);
	if (r < 0)
		return r;
	if (S_ISREG(st->st_mode))
		return put_file(w, dir_fd, name, st);
	if (S_ISLNK(st->st_mode))
		return put_symlink(w, dir_fd, name, st);
	return put_special(w, name, st);
}

/* ---- a directory ---- */

struct names {
	char *text; /* each with its NUL */
	size_t size, capacity;
};

static int add_name(struct names *n, const char *name)
{
	size_t size = strlen(name) + 1;

	if (n->size + size > n->capacity) {
		size_t capacity = (n->capacity + size) * 2;
		char *grown = realloc(n->text, capacity);

		if (!grown)
			return -ENOMEM;
		n->text = grown;
		n->capacity = capacity;
	}
	memcpy(n->text + n->size, name, size);
	n->size += size;
	return 0;
}

static int read_names(int dir_fd, struct names *out)
{
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r = list ? 1 : -errno;

	if (!list)
		fd_close(&fd);
	while (r == 1) {
		r = fd_next_entry(list, &entry);
		if (r == 1)
			r = add_name(out, entry->d_name) < 0 ? -ENOMEM : 1;
	}
	if (list)
		closedir(list);
	return r;
}

static int put_opaque(struct walker *w, int fd)
{
	struct tar_entry e = {.path = w->path, .type = '0'};
	char value[4];
	int r;

	if (fgetxattr(fd, OPAQUE_XATTR, value, sizeof(value)) < 1 || value[0] != 'y')
		return 0;
	(void)text_copy(w->path + w->path_size, sizeof(w->path) - w->path_size, OPAQUE);
	r = tar_entry_put(w->sink, &e);
	w->path[w->path_size] = '\0';
	return r;
}

static int put_directory(struct walker *w, int fd, const struct stat *st);

/* Writes the entry `name` of a directory, whose path ends with "/" or is empty. */
static int put_entry(struct walker *w, int dir_fd, const char *name)
{
	size_t before = w->path_size;
	SCOPED_FD fd = -1;
	struct stat st;
	int r;

	if (text_copy(w->path + before, sizeof(w->path) - before - NAME_BYTES_MAX, name) < 0)
		return fail(w, -ENAMETOOLONG, "has an entry whose path is too long");
	w->path_size += strlen(name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		r = fail(w, -errno, strerror(errno));
	} else if (!S_ISDIR(st.st_mode)) {
		r = put_other(w, dir_fd, name, &st);
	} else {
		fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		w->path[w->path_size++] = '/';
		w->path[w->path_size] = '\0';
		r = fd < 0 ? fail(w, -errno, strerror(errno)) : put_directory(w, fd, &st);
	}
	w->path_size = before;
	w->path[before] = '\0';
	return r;
}

static int put_entries(struct walker *w, int fd)
{
	struct names names = {0};
	SCOPED_MEM char **sorted = NULL;
	size_t count = 0;
	int r = read_names(fd, &names);

	if (r < 0)
		r = fail(w, r, strerror(-r));
	if (r == 0) {
		sorted = sort_texts(names.text, names.size, &count);
		r = sorted ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < count && r == 0; i++)
		r = put_entry(w, fd, sorted[i]);
	free(names.text);
	return r;
}

static int put_directory(struct walker *w, int fd, const struct stat *st)
{
	struct tar_entry e = {.type = '5'};
	int r = put_plain(w, st, fd, &e);

	if (r == 0)
		r = put_opaque(w, fd);
	return r < 0 ? r : put_entries(w, fd);
}

static int put_root(struct walker *w, const char *name)
{
	SCOPED_FD fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct tar_entry e = {.type = '5'};
	struct stat st;
	int r;

	(void)text_copy(w->path, sizeof(w->path), "./");
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(w, -errno, strerror(errno));
	r = put_plain(w, &st, fd, &e);
	w->path[0] = '\0';
	if (r == 0)
		r = put_opaque(w, fd);
	return r < 0 ? r : put_entries(w, fd);
}

int pack_tree(struct unpack *u, uint32_t index, struct sink *s)
{
	struct walker *w = calloc(1, sizeof(*w));
	char name[16];
	int r;

	if (!w)
		return -ENOMEM;
	w->u = u;
	w->sink = s;
	w->layer = index;
	(void)text_format(name, sizeof(name), "%" PRIu32, index);
	r = put_root(w, name);
	tdestroy(w->links, linked_free);
	free(w);
	return r < 0 ? r : tar_end_put(s);
}
