// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/settle.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/instance.h"

/* Each task that runs may go first with a slice of the scheduler (3 ms), at some levels of groups.
 */
#define SLICES_NS     (16 * NS_PER_MS)
#define STILL_MOST_NS (2 * NS_PER_SEC)
#define UNKNOWN       16 /* so many may run if the kernel does not say */

/* How many tasks of the host are on a CPU or wait for one, this one included: "running/all" in
 * /proc/loadavg (proc_loadavg(5)). */
static uint64_t running_now(void)
{
	char text[128], *at;
	ssize_t n = fd_read_file_at(AT_FDCWD, "/proc/loadavg", text, sizeof(text));
	uint64_t running;

	at = n < 0 ? NULL : strchr(text, '/');
	if (!at)
		return UNKNOWN;
	*at = '\0';
	at = strrchr(text, ' ');
	return at && text_parse_u64(at + 1, 0, UINT32_MAX, &running) == 0 ? running : UNKNOWN;
}

/* For how long the counter must stand still. 0: nobody else runs. */
static uint64_t still_ns(uint64_t running)
{
	uint64_t ns = running * SLICES_NS / (uint64_t)get_nprocs();

	if (running <= 1)
		return 0;
	return ns < STILL_MOST_NS ? ns : STILL_MOST_NS;
}

bool settle_look(struct instance *i)
{
	uint64_t now_ns = clock_mono_ns();
	uint64_t running = running_now(); /* before its counters are read */
	struct cgroup_cpu cpu;

	must(i->opened_ns > 0); /* nobody pays for the others */
	if (i->still.since_ns == 0)
		cgroup_hurry(i->ground->tree, &i->cgroup);
	if (cgroup_cpu(&i->cgroup, &cpu) < 0)
		return true;
	if (i->still.since_ns == 0 || cpu.usage_us != i->still.cpu_us) {
		i->still.since_ns = now_ns;
		i->still.cpu_us = cpu.usage_us;
		return false;
	}
	return now_ns - i->still.since_ns >= still_ns(running);
}
