/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches a directory and everything below it for changes that a build would see (inotify(7)).
 * Directories that no build reads from, and files that editors leave beside, are not looked at; of
 * node_modules only its own entries are. No link is followed.
 */
#ifndef EBB_CLI_DEV_WATCH_H
#define EBB_CLI_DEV_WATCH_H

struct dev_watch;

/* Watches the tree at path (absolute). 0 and *out (dev_watch_free), or -errno: -ENOSPC when the
 * limit fs.inotify.max_user_watches is reached. */
int dev_watch_new(const char *path, struct dev_watch **out);
void dev_watch_free(struct dev_watch *w); /* NULL is fine */
/* Readable when something changed. Borrowed. */
int dev_watch_fd(const struct dev_watch *w);
/* Tells each changed path (absolute), and NULL for "anything may have changed". 0 or -errno, when a
 * new directory cannot be watched. */
int dev_watch_take(struct dev_watch *w, void (*changed)(void *context, const char *path),
		   void *context);

#endif
