// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/dev_watch.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define MASK                                                                                 \
	(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR | \
	 IN_DONT_FOLLOW | IN_EXCL_UNLINK)
#define EVENT_BYTES 16384

/* Directories whose content no build takes; below `shallow` ones it takes what npm has written at
 * its end. */
static const char *const unread[] = {".git", ".ebb", "__pycache__", ".venv", ".hg", ".svn"};
static const char shallow[] = "node_modules";
/* Files that editors write beside the one that is edited. */
static const char *const beside[] = {"*~", ".*.sw?", ".#*", "#*#", "4913", "*.tmp"};

struct dev_watch {
	int fd;
	char *root;
	char **paths; /* by watch descriptor: its directory, or NULL */
	int size;
};

static bool is_one_of(const char *const *patterns, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

static int remember(struct dev_watch *w, int wd, const char *path)
{
	char *copy = strdup(path);

	if (copy && wd >= w->size) {
		int size = wd * 2 + 16;
		char **more = realloc(w->paths, (size_t)size * sizeof(*more));

		if (!more) {
			free(copy);
			return -ENOMEM;
		}
		memset(more + w->size, 0, (size_t)(size - w->size) * sizeof(*more));
		w->paths = more;
		w->size = size;
	}
	if (!copy)
		return -ENOMEM;
	free(w->paths[wd]);
	w->paths[wd] = copy;
	return 0;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int add_tree(struct dev_watch *w, const char *path);

/* A directory that is gone meanwhile is no error: its parent has told so. */
static int add_below(struct dev_watch *w, const char *path)
{
	const struct dirent *entry;
	DIR *list = opendir(path);
	int r = 0;

	while (list && r == 0 && fd_next_entry(list, &entry) == 1) {
		char inner[PATH_MAX];

		if ((entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) ||
		    is_one_of(unread, ARRAY_LEN(unread), entry->d_name) ||
		    text_format(inner, sizeof(inner), "%s/%s", path, entry->d_name) < 0)
			continue;
		if (is_directory(inner))
			r = add_tree(w, inner);
	}
	if (list)
		closedir(list);
	return r;
}

static int add_tree(struct dev_watch *w, const char *path)
{
	const char *name = strrchr(path, '/');
	int wd = inotify_add_watch(w->fd, path, MASK), r;

	if (wd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	r = remember(w, wd, path);
	if (r < 0 || (name && strcmp(name + 1, shallow) == 0))
		return r;
	return add_below(w, path);
}

/* A directory that moved away is watched under its old path no longer. */
static void forget_tree(struct dev_watch *w, const char *path)
{
	size_t n = strlen(path);

	for (int wd = 0; wd < w->size; wd++) {
		if (!w->paths[wd] || strncmp(w->paths[wd], path, n) != 0 ||
		    (w->paths[wd][n] != '/' && w->paths[wd][n] != '\0'))
			continue;
		(void)inotify_rm_watch(w->fd, wd);
		free(w->paths[wd]);
		w->paths[wd] = NULL;
	}
}

/* A regular file that was just made says so again when it is closed. Links and others do not. */
static bool comes_again(const struct inotify_event *event, const char *path)
{
	struct stat st;

	return event->mask & IN_CREATE && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_nlink == 1;
}

static int take_one(struct dev_watch *w, const struct inotify_event *event,
		    void (*changed)(void *context, const char *path), void *context)
{
	const char *folder = event->wd >= 0 && event->wd < w->size ? w->paths[event->wd] : NULL;
	char path[PATH_MAX];
	int r = 0;

	if (event->mask & IN_Q_OVERFLOW) {
		changed(context, NULL);
		return add_tree(w, w->root);
	}
	if (folder && event->mask & IN_IGNORED) {
		free(w->paths[event->wd]);
		w->paths[event->wd] = NULL;
	}
	if (!folder || event->mask & IN_IGNORED || event->len == 0 ||
	    text_format(path, sizeof(path), "%s/%s", folder, event->name) < 0)
		return 0;
	if (event->mask & IN_ISDIR && is_one_of(unread, ARRAY_LEN(unread), event->name))
		return 0;
	if (event->mask & IN_ISDIR && event->mask & IN_MOVED_FROM)
		forget_tree(w, path);
	else if (event->mask & IN_ISDIR && event->mask & (IN_CREATE | IN_MOVED_TO))
		r = add_tree(w, path);
	else if (is_one_of(beside, ARRAY_LEN(beside), event->name) || comes_again(event, path))
		return 0;
	changed(context, path);
	return r;
}

int dev_watch_take(struct dev_watch *w, void (*changed)(void *context, const char *path),
		   void *context)
{
	char buf[EVENT_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	int r = 0;
	ssize_t n;

	while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
		for (const char *at = buf; at < buf + n;) {
			const struct inotify_event *event = (const void *)at;
			int one = take_one(w, event, changed, context);

			r = r < 0 ? r : one;
			at += sizeof(*event) + event->len;
		}
	}
	return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : r;
}

int dev_watch_fd(const struct dev_watch *w)
{
	return w->fd;
}

int dev_watch_new(const char *path, struct dev_watch **out)
{
	struct dev_watch *w = calloc(1, sizeof(*w));
	int r = w ? 0 : -ENOMEM;

	if (r == 0) {
		w->root = strdup(path);
		w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		r = !w->root ? -ENOMEM : w->fd < 0 ? -errno : 0;
	}
	if (r == 0)
		r = add_tree(w, path);
	if (r < 0) {
		dev_watch_free(w);
		return r;
	}
	*out = w;
	return 0;
}

void dev_watch_free(struct dev_watch *w)
{
	if (!w)
		return;
	for (int wd = 0; wd < w->size; wd++)
		free(w->paths[wd]);
	free(w->paths);
	free(w->root);
	fd_close(&w->fd);
	free(w);
}
