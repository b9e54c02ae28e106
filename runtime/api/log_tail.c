// SPDX-License-Identifier: Apache-2.0
/* The last lines of log files, merged by time. */
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
#include "runtime/base/mem.h"
#include "runtime/base/sort.h"
#include "runtime/base/text.h"

#define FILES_MAX      256
#define FILE_BYTES_MAX (8u << 20)
#define ALL_BYTES_MAX  (32u << 20)

struct tail_file {
	char instance[INSTANCE_ID_SIZE];
	char *text; /* owned */
	size_t size;
};

struct tail_line {
	const struct tail_file *file;
	const char *at;
	size_t size;
};

struct tail {
	int dir_fd;
	size_t bytes_max;    /* of each file */
	const char *request; /* NULL: lines of all requests, and of none */
	const char *since;   /* NULL: of any time */
	struct tail_file files[FILES_MAX];
	size_t file_count;
	struct tail_line *lines; /* owned */
	size_t line_count;
};

static int read_end(int fd, size_t bytes_max, struct tail_file *f)
{
	struct stat st;
	ssize_t n;
	off_t from;

	if (fstat(fd, &st) < 0)
		return -errno;
	from = st.st_size > (off_t)bytes_max ? st.st_size - (off_t)bytes_max : 0;
	f->text = malloc((size_t)(st.st_size - from) + 1);
	if (!f->text)
		return -ENOMEM;
	if (lseek(fd, from, SEEK_SET) < 0)
		return -errno;
	n = fd_read_all(fd, f->text, (size_t)(st.st_size - from));
	if (n < 0)
		return (int)n;
	f->size = (size_t)n;
	if (from > 0) { /* begins in the middle of a line */
		const char *end = memchr(f->text, '\n', f->size);
		size_t cut = end ? (size_t)(end - f->text) + 1 : f->size;

		memmove(f->text, f->text + cut, f->size - cut);
		f->size -= cut;
	}
	return 0;
}

/* Keeps the lines that are wanted only, so that all files fit in memory together. */
static void keep_wanted(struct tail_file *f, const struct tail *t)
{
	size_t kept = 0;

	for (size_t at = 0; at < f->size;) {
		const char *end = memchr(f->text + at, '\n', f->size - at);
		size_t n = end ? (size_t)(end - f->text) - at : f->size - at;
		size_t whole = n + (end != NULL);

		if (log_line_wanted(f->text + at, n, t->request) &&
		    log_line_is_since(f->text + at, n, t->since)) {
			memmove(f->text + kept, f->text + at, whole);
			kept += whole;
		}
		at += whole;
	}
	f->size = kept;
}

static int add_file(struct tail *t, const char *name, size_t suffix)
{
	SCOPED_FD fd = openat(t->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct tail_file *f = &t->files[t->file_count];
	char *shrunk;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (t->file_count == FILES_MAX || text_format(f->instance, sizeof(f->instance), "%.*s",
						      (int)(strlen(name) - suffix), name) < 0)
		return 0;
	t->file_count++;
	r = read_end(fd, t->bytes_max, f);
	if (r < 0 || (!t->request && !t->since))
		return r;
	keep_wanted(f, t);
	shrunk = realloc(f->text, f->size + 1);
	if (shrunk)
		f->text = shrunk;
	return 0;
}

static int each_log(void *ctx, const char *name)
{
	return add_file(ctx, name, strlen(".log"));
}

static int each_old_log(void *ctx, const char *name)
{
	return add_file(ctx, name, strlen(".log.1"));
}

static int add_files(struct tail *t, const char *instance)
{
	char name[INSTANCE_ID_SIZE + 8];
	int r;

	if (!instance) {
		r = state_list(t->dir_fd, ".log.1", each_old_log, t);
		return r == 0 ? state_list(t->dir_fd, ".log", each_log, t) : r;
	}
	snprintf(name, sizeof(name), "%s.log.1", instance);
	r = each_old_log(t, name);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%s.log", instance);
	return each_log(t, name);
}

static void split(struct tail *t, const struct tail_file *f, bool count_only)
{
	for (size_t at = 0; at < f->size;) {
		const char *end = memchr(f->text + at, '\n', f->size - at);
		size_t n = end ? (size_t)(end - f->text) - at : f->size - at;

		if (!count_only)
			t->lines[t->line_count] = (struct tail_line){f, f->text + at, n};
		t->line_count++;
		at += n + 1;
	}
}

/* Times are of one width, so their order is that of the bytes; equal ones stay as they were. */
static int compare_lines(const void *a, const void *b)
{
	const struct tail_line *x = a, *y = b;
	size_t n = x->size < y->size ? x->size : y->size;
	int order = memcmp(x->at, y->at, n < LOG_TIME_CHARS ? n : LOG_TIME_CHARS);

	if (order)
		return order;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int split_all(struct tail *t)
{
	for (size_t i = 0; i < t->file_count; i++)
		split(t, &t->files[i], true);
	t->lines = calloc(t->line_count + 1, sizeof(*t->lines));
	if (!t->lines)
		return -ENOMEM;
	t->line_count = 0;
	for (size_t i = 0; i < t->file_count; i++)
		split(t, &t->files[i], false);
	sort_items(t->lines, t->line_count, sizeof(*t->lines), compare_lines);
	return 0;
}

static int format_last(const struct tail *t, size_t lines_max, bool json, struct buffer *out)
{
	size_t i = t->line_count > lines_max ? t->line_count - lines_max : 0;
	int r = 0;

	for (; i < t->line_count && r == 0; i++)
		r = log_line_format(out, t->lines[i].file->instance, t->lines[i].at,
				    t->lines[i].size, json);
	return r;
}

int log_tail(int log_dir_fd, const char *service, const struct log_wish *wish, size_t lines_max,
	     struct buffer *out)
{
	SCOPED_FD dir_fd =
		openat(log_dir_fd, service, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct tail *t;
	int r;

	if (dir_fd < 0)
		return -errno;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->dir_fd = dir_fd;
	t->request = wish->request;
	t->since = wish->since;
	t->bytes_max = wish->instance || wish->request || wish->since ? FILE_BYTES_MAX
								      : ALL_BYTES_MAX / 64;
	r = add_files(t, wish->instance);
	if (r == 0 && t->file_count == 0)
		r = -ENOENT;
	if (r == 0)
		r = split_all(t);
	if (r == 0)
		r = format_last(t, lines_max, wish->json, out);
	for (size_t i = 0; i < t->file_count; i++)
		free(t->files[i].text);
	free(t->lines);
	free(t);
	return r;
}
