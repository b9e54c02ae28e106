/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The length of a thread's turn on a CPU. A thread that wakes up waits until the turn of the
 * running thread is over. A thread with a shorter turn goes first, and gets no more of the CPU for
 * it. Without short turns, a spinning instance keeps a request of a neighbour waiting for 3 to 4 ms
 * at each wake-up on its way.
 *
 * Linux 6.12 and newer (sched_setattr(2), sched_runtime of SCHED_OTHER, 0.1 to 100 ms); older
 * kernels accept the call and do nothing. Forks and executed programs inherit the length.
 */
#ifndef EBB_BASE_TURN_H
#define EBB_BASE_TURN_H

#include <stdint.h>

#define TURN_OF_EBB_US      UINT32_C(100) /* short work on which everybody waits */
#define TURN_OF_INSTANCE_US UINT32_C(200)
#define TURN_OF_OTHERS_US   UINT32_C(0) /* the kernel's own length */

/* Sets the length for this thread; policy and niceness stay. Does nothing under another policy than
 * SCHED_OTHER or SCHED_BATCH. 0 or -errno. */
int turn_set(uint32_t us);

#endif
