/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root to which a layer is applied, as `tar -x` over the layers below would do it. A path goes
 * through the links that are there, but never out of the root, which is this process's own root. A
 * directory that the layer does not bring keeps its attributes and its time. An entry of another
 * type replaces the old one. The root is an overlay, which collects the differences; they become
 * the piece in the store.
 */
#ifndef EBB_IMAGES_UNPACK_PLACE_H
#define EBB_IMAGES_UNPACK_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "images/unpack/unpack.h"

struct touched; /* paths that this layer brought: its own whiteouts do not hide them */

struct spot {
	int fd;                        /* of the directory, or -1 */
	char path[PATH_BYTES_MAX + 1]; /* its path without links and without leading "/" */
};

struct place {
	struct touched *touched;
	bool lower;                     /* there are layers below */
	bool changed;                   /* `at` has other entries than when it was entered */
	bool stale;                     /* `asked` may lead to another directory than `at` by now */
	struct spot at;                 /* the present directory */
	char asked[PATH_BYTES_MAX + 1]; /* the path by which `at` was entered */
	struct timespec times[2];       /* of `at`; set again when it is left */
	struct timespec implied;        /* for directories that no layer brings */
};

/* lower: there are layers below. 0 or -ENOMEM. */
int place_init(struct place *p, bool lower);
void place_fini(struct place *p);

/* Goes to the directory that holds the last part of path; with `make` missing directories are made.
 * *out_name is that last part and points into path. 0 or -errno; -ENOENT or -ENOTDIR when the
 * directory is not there. */
int place_enter(struct place *p, const char *path, bool make, const char **out_name);
/* Leaves the present directory and, if it was changed, sets its times again. */
int place_leave(struct place *p);
/* Finds a directory without making anything; the caller closes out->fd. */
int place_find(const char *path, struct spot *out);
/* Notes that this layer brought <present directory>/name. */
int place_touch(struct place *p, const char *name);
/* Makes room at name of the present directory: removes the entry there, a directory with its
 * content. With keep_directory a directory stays, and 1 is returned. Else 0 or -errno. */
int place_clear(struct place *p, const char *name, bool keep_directory);
/* Hides the entry that the layers below have at name of the present directory, or with "" all their
 * entries in it. */
int place_hide(struct place *p, const char *name);

/* touched.c */
/* A set of paths, relative to the root and kept as hashes. touched_new returns NULL without memory;
 * touched_add returns 0 or -ENOMEM. */
struct touched *touched_new(void);
void touched_free(struct touched *t);
int touched_add(struct touched *t, const char *path); /* adds also the directories above */
bool touched_has(const struct touched *t, const char *path);

#endif
