/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks over all instances on somebody's behalf, in parts: with thousands of instances one walk
 * takes longer than a handler may. One walk follows the other, in the order in which they were
 * asked for. Between the parts other handlers get their turn, and a walk waits for a reader that
 * cannot take more yet.
 */
#ifndef EBB_SUPERVISOR_WALK_H
#define EBB_SUPERVISOR_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/loop.h"

#define WALKS_MAX 1024 /* more than any ebb-api has questions open */

struct fleet;
struct instance;

struct walk_kind {
	void (*each)(void *self, uint64_t cookie, struct instance *i); /* may not remove any */
	void (*end)(void *self, uint64_t cookie);
};

/* Embedded in its owner, which is self for all of them. */
struct walks {
	struct loop *loop;
	struct fleet *fleet;
	void *self;
	bool (*full)(void *self); /* no more for now */
	struct timer timer;
	uint32_t first, count, slot; /* slot: where the first one goes on */
	struct {
		const struct walk_kind *kind;
		uint64_t cookie;
	} asked[WALKS_MAX];
};

/* loop and fleet are borrowed. */
void walks_init(struct walks *w, struct loop *loop, struct fleet *fleet, void *self,
		bool (*full)(void *self));
/* Begins at once, if none is under way. 0, or -ENOBUFS: too many are waiting. */
int walks_add(struct walks *w, const struct walk_kind *kind, uint64_t cookie);
/* Forgets all of them. */
void walks_drop(struct walks *w);

#endif
