/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the CPU time of an instance is final. Before Linux 6.19 a task leaves its cgroup in the
 * middle of its exit, and the kernel charges the rest of the exit (10 to 800 us were seen) each
 * time that the task is off its CPU. On a busy host that is up to 135 ms later: other tasks preempt
 * it, and PID 1 waits for its children in between.
 */
#ifndef EBB_SUPERVISOR_SETTLE_H
#define EBB_SUPERVISOR_SETTLE_H

#include <stdbool.h>

struct instance;

/* Asked again and again while nobody is in its cgroup; the first time, the kernel is told to run
 * what is left of its tasks soon. True: its counters may be read for the last time. */
bool settle_look(struct instance *i);

#endif
