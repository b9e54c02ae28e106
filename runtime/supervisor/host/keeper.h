/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: the first process of an ebbd, which makes the one that works and holds what that one
 * must not take with it when it dies.
 *
 * It parses nothing, decides nothing and opens nothing. ebbd is its child and shares its descriptor
 * table (clone(2), CLONE_FILES), so descriptors outlive ebbd without being sent anywhere. It passes
 * signals on, reaps orphans (PR_SET_CHILD_SUBREAPER), and makes another ebbd of
 * the same binary when one dies of a signal. For an upgrade it executes the new binary in its own
 * place, once ebbd has found out that the new one can follow, and has ended. If the new one cannot
 * do the work, that keeper executes the binary before. It has no seccomp filter of its own, because
 * its children would have it too.
 *
 * An ebbd that ends by itself ends the keeper, with its code. One that crashes soon again and again
 * begins afresh, without what it was to take over, as that may be the cause; then it is given up.
 * When the keeper dies, so does ebbd (PR_SET_PDEATHSIG), and with it all that hangs on its
 * channels.
 */
#ifndef EBB_SUPERVISOR_KEEPER_H
#define EBB_SUPERVISOR_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/supervisor/host/estate.h"

/* The part of an ebbd in the line of them. */
enum keeper_life {
	KEEPER_FIRST,  /* it is the first one */
	KEEPER_ADOPT,  /* it takes over */
	KEEPER_AFRESH, /* it ends what an earlier one left */
};

/* Pure: the plan after a death. deaths: so many in a row came before it served for a while, this
 * one among them; crashes: of these, those that nobody caused by SIGKILL. */
#define KEEPER_SOON_NS UINT64_C(10000000000)
struct keeper_plan {
	bool give_up;
	enum keeper_life life;
	uint32_t wait_ms;
};
struct keeper_plan keeper_plan(uint32_t deaths, uint32_t crashes);

struct keeper_options {
	struct estate *estate;
	bool follows; /* this keeper was a keeper before, of another binary */
	void *self;
	/* Each executes another binary, and returns only if that fails: -errno. become_next: that
	 * of words.next_fd. go_back: the one before, as this one cannot do the work (enum
	 * upgrade_fault). */
	int (*become_next)(void *self);
	int (*go_back)(void *self, uint32_t fault);
};

/* Returns 0 in ebbd, with *life; never in the keeper, which exits when ebbd has. -errno if no child
 * could be made. */
int keeper_begin(const struct keeper_options *options, enum keeper_life *life);

#endif
