// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/turn.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/clock.h"

/* The argument of sched_setattr(2): glibc has none, and the header of the kernel conflicts with
 * <sched.h>. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

int turn_set(uint32_t us)
{
	struct attributes a = {.size = sizeof(a)};

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) < 0)
		return -errno;
	if (a.policy != SCHED_OTHER && a.policy != SCHED_BATCH)
		return 0; /* another policy was chosen for this thread on purpose */
	a.flags = 0;
	a.runtime_ns = us * NS_PER_US;
	return syscall(SYS_sched_setattr, 0, &a, 0) < 0 ? -errno : 0;
}
