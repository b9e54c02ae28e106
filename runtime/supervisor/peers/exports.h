/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exports of images that are under way for ebb-api: each is an ebb-unpack in a sandbox, which
 * writes into a pipe that ebb-api reads. If that ebb-api ends, its exports are ended without a
 * word.
 */
#ifndef EBB_SUPERVISOR_EXPORTS_H
#define EBB_SUPERVISOR_EXPORTS_H

#include <stdint.h>

#include "images/image.h"
#include "runtime/base/loop.h"

#define EXPORTS_MAX 4 /* under way at once; each reads the store as fast as its client takes it */

struct exports;

struct export
{
	struct exports *all;
	struct image_export *job; /* NULL = free */
	uint64_t cookie;
	struct watch watch;
};

struct exports {
	struct loop *loop;
	struct image_store *store;
	void *self;
	/* An export ended: err 0 or -errno with a text. */
	void (*on_done)(void *self, uint64_t cookie, int err, const char *text);
	struct export all[EXPORTS_MAX];
};

/* Everything is borrowed and outlives the exports. */
void exports_init(struct exports *m, struct loop *loop, struct image_store *store, void *self,
		  void (*on_done)(void *self, uint64_t cookie, int err, const char *text));
/* Starts an export into to_fd (borrowed). 0, -EBUSY if too many are under way, -ENOBUFS
 * if the host lets ebbd start no process now, or -errno. */
int exports_start(struct exports *m, const struct wire_image_export *job, int to_fd);
/* Nobody waits for this one any more: it is ended, and its end is told. */
void exports_cancel(struct exports *m, uint64_t cookie);
/* Ends all of them, without a word. */
void exports_end(struct exports *m);

#endif
