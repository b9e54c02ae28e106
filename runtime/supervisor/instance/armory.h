/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps sandboxes ready, and owns the id ranges. Everything is done but the image and exec. Each
 * sandbox is parked in the cgroup where it will live (instances/<number>), because moving a process
 * later would cost milliseconds. Its CPU time before the claim is the platform's and never billed.
 * A sandbox that dies before it is taken is replaced, and never given to anybody.
 *
 * No sandbox with a ring is kept ready: few services have one, and each cold service has an
 * instance prepared. Sandboxes with a wire and no ring are kept ready once one with a wire was
 * wanted.
 */
#ifndef EBB_SUPERVISOR_ARMORY_H
#define EBB_SUPERVISOR_ARMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroups/cgroup.h"
#include "runtime/base/loop.h"
#include "sandbox/sandbox.h"

#define ARMORY_GROUP "instances" /* of their cgroups: <tree>/instances/<number> */

struct armory;

/* Kinds of sandboxes; they do not stand in for each other. */
enum armory_kind {
	ARMORY_PLAIN,
	ARMORY_RING, /* with a ring */
	ARMORY_NET,  /* with a wire to the host */
	ARMORY_NET_RING,
	ARMORY_KINDS
};
static inline bool armory_has_ring(enum armory_kind kind)
{
	return kind == ARMORY_RING || kind == ARMORY_NET_RING;
}
static inline bool armory_has_wire(enum armory_kind kind)
{
	return kind == ARMORY_NET || kind == ARMORY_NET_RING;
}

struct armory_options {
	struct loop *loop;
	struct zygote *zygote; /* borrowed */
	struct cgroup_tree *tree;
	_Atomic uint64_t *made; /* how many were, ever: their numbers are used once */
	uint32_t keep;          /* how many plain ones to keep ready */
	void *self;
	void (*on_armed)(void *self); /* one more can be taken */
	void (*on_failed)(void *self, enum armory_kind kind, const char *why); /* arming failed */
	/* The zygote died, and with it all armed sandboxes. Wanted ones wait for armory_revive. */
	void (*on_lost)(void *self);
	/* Wires a sandbox that is armed but for that; armory_wired follows. 0 or -errno. */
	int (*wire)(void *self, uint32_t range, int net_ns_fd);
	/* A sandbox that was wired, or about to be, is gone. */
	void (*unwire)(void *self, uint32_t range);
};

/* 0 or -errno. The sandboxes are made later, from the loop. */
int armory_new(const struct armory_options *options, struct armory **out);
/* Ends the ready sandboxes; those that were taken stay. NULL is fine. */
void armory_free(struct armory *a);
/* There is a new zygote, which is borrowed. 0 or -errno. */
int armory_revive(struct armory *a, struct zygote *zygote);
/* Arms what is missing for as many as are wanted right now, beside those kept ready. */
void armory_want(struct armory *a, const uint32_t waiting[ARMORY_KINDS]);
/* Another number to keep ready; more are there soon, fewer when some are taken. */
void armory_keep(struct armory *a, uint32_t keep);
/* Takes a ready sandbox: the sandbox and its cgroup are the caller's now. The number becomes part
 * of the name of the instance. False if none is ready. */
bool armory_take(struct armory *a, enum armory_kind kind, struct armed *out,
		 struct cgroup *out_cgroup, uint64_t *out_number);
/* Wiring ended: err is 0 or -errno, why a sentence. */
void armory_wired(struct armory *a, uint32_t range, int err, const char *why);
/* Nobody can wire for now: those that are being wired fail. */
void armory_unwirable(struct armory *a, const char *why);
/* An instance is gone for good: its id range may be used again. */
/* An instance of an earlier ebbd has this range. */
void armory_range_keep(struct armory *a, uint32_t range);
/* Each range that nobody has. */
void armory_each_free(struct armory *a, void (*fn)(void *ctx, uint32_t range), void *ctx);
void armory_range_free(struct armory *a, uint32_t range);

/* Asks the zygote for a command in the sandbox that lives in this cgroup; the cgroup's fields of
 * how are filled in here. 0 or -errno. */
int armory_exec(struct armory *a, const struct cgroup *cgroup, struct sandbox_exec *how);

#endif
