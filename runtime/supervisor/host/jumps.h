/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells that the distance of the other clocks to CLOCK_MONOTONIC has changed: somebody set the
 * host's clock, or the host was suspended and goes on (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
 * It costs no wake-up while that does not happen.
 */
#ifndef EBB_SUPERVISOR_JUMPS_H
#define EBB_SUPERVISOR_JUMPS_H

#include "runtime/base/loop.h"

struct jumps {
	struct watch watch; /* owns its descriptor; -1 = none */
	void (*on_jump)(void *self);
	void *self;
};

/* Watches from now on; j stays where it is. 0 or -errno. */
int jumps_watch(struct jumps *j, struct loop *loop, void (*on_jump)(void *self), void *self);

#endif
