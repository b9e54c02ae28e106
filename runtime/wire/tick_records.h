/* SPDX-License-Identifier: Apache-2.0 */
/* The records between ebbd and ebb-tick. */
#ifndef EBB_WIRE_TICK_RECORDS_H
#define EBB_WIRE_TICK_RECORDS_H

#include <stdint.h>

#define TICK_CONTROL_FD 3

/* TICK_SET. period_us: the time between two ticks of a CPU, TICK_LEAST_US to TICK_MOST_US; 0: no
 * ticks from now on. */
struct wire_tick_set {
	uint32_t period_us, reserved;
};
#define TICK_LEAST_US 100
#define TICK_MOST_US  100000

/* TICK_READY, once: it has a thread on each CPU. */
struct wire_tick_ready {
	uint32_t cpus, reserved;
};

#endif
