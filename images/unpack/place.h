/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root a layer is applied to, as `tar -x` over the layers below would: paths go through the
 * links that stand there, but never out of the root (it is this process's own root); a directory
 * that the layer does not bring keeps its attributes and its time; an entry of another type
 * replaces the old one. Underneath is an overlay, which collects the differences: they are the
 * piece for the store.
 */
#ifndef EBB_IMAGES_UNPACK_PLACE_H
#define EBB_IMAGES_UNPACK_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "images/unpack/unpack.h"

struct touched; /* paths that this layer brought: its whiteouts do not mean them */

struct spot {
	int fd;                        /* of the directory, or -1 */
	char path[PATH_BYTES_MAX + 1]; /* where it really is, without leading "/" */
};

struct place {
	struct touched *touched;
	bool lower;   /* there are layers below */
	bool changed; /* `at` has other entries than before */
	bool stale;   /* `at` may not be what `asked` leads to any more */
	struct spot at;
	char asked[PATH_BYTES_MAX + 1]; /* how `at` was asked for */
	struct timespec times[2];       /* of `at`, given back when it is left */
	struct timespec implied;        /* time of directories nobody brings */
};

/* lower: there are layers below. 0 or -ENOMEM. */
int place_init(struct place *p, bool lower);
void place_fini(struct place *p);

/* Goes to the directory that `path`'s last part stands in, made if wanted. *out_name points into
 * path. 0 or -errno; -ENOENT and -ENOTDIR when it is not there. */
int place_enter(struct place *p, const char *path, bool make, const char **out_name);
/* Gives the present directory its times back and forgets it. */
int place_leave(struct place *p);
/* Finds a directory without making anything; the caller closes out->fd. */
int place_find(const char *path, struct spot *out);
/* Notes that this layer brought <present directory>/name. */
int place_touch(struct place *p, const char *name);
/* Makes room at name: removes the entry there, a directory with all below it. keep_directory: a
 * directory stays, and 1 is returned. */
int place_clear(struct place *p, const char *name, bool keep_directory);
/* Takes away what the layers below have at name of the present directory ("": all in it). */
int place_hide(struct place *p, const char *name);

/* touched.c */
/* NULL: no memory. Paths are relative to the root and kept as hashes. touched_add: 0 or -ENOMEM. */
struct touched *touched_new(void);
void touched_free(struct touched *t);
int touched_add(struct touched *t, const char *path); /* and the directories above */
bool touched_has(const struct touched *t, const char *path);

#endif
