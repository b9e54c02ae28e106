/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The imports of images that are under way for ebb-api: each is an ebb-unpack in a sandbox. If the
 * ebb-api that asked ends first, its imports are given up, and nobody is told how they end.
 */
#ifndef EBB_SUPERVISOR_IMPORTS_H
#define EBB_SUPERVISOR_IMPORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "images/image.h"
#include "runtime/base/loop.h"

#define IMPORTS_MAX 16 /* under way at once; each has a time limit and gives way to instances */

struct config;
struct imports;

struct import {
	struct imports *all;
	struct image_import *job;     /* NULL = free */
	struct wire_image_done *done; /* filled at its end; made at its start, so that it can end */
	uint64_t cookie;
	bool orphan; /* the ebb-api that asked is gone: nobody is told how it ends */
	struct watch watch;
};

struct imports {
	struct loop *loop;
	struct image_store *store;
	void *self;
	/* An import ended. done: the answer, or NULL if nobody is told. death: how ebb-unpack died,
	 * or "". */
	void (*on_done)(void *self, const struct wire_image_done *done, const char *death,
			bool imported);
	struct import all[IMPORTS_MAX];
};

/* Everything is borrowed and outlives the imports. */
void imports_init(struct imports *m, struct loop *loop, struct image_store *store, void *self,
		  void (*on_done)(void *self, const struct wire_image_done *done, const char *death,
				  bool imported));
/* Starts an import; source_fd is borrowed. 0, -EBUSY if too many are under way, -ENOBUFS if
 * the host lets ebbd start no process now, or -errno. */
int imports_start(struct imports *m, const struct wire_image_import *job, int source_fd);
/* Why nothing was begun with an image, also for an export; r: -errno. Static text. */
const char *imports_why(int r);
/* Nobody waits for this one any more: it is given up, and its end is still told. */
void imports_cancel(struct imports *m, uint64_t cookie);
/* The ebb-api that asked is gone: all imports are given up, and their ends are not told. */
void imports_orphan(struct imports *m);
/* Ends all of them, without a word. */
void imports_end(struct imports *m);

/* Bounds what an import may take, as the settings say. */
void imports_limit(struct image_store *images, const struct config *c);

#endif
