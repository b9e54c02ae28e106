// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

/* clang-format off */
static const char *const step_names[] = {
	[SANDBOX_CLONE] = "clone", [SANDBOX_CGROUPS] = "cgroups", [SANDBOX_IDMAP] = "idmap",
	[SANDBOX_PRIVATE_MOUNTS] = "private_mounts", [SANDBOX_LOOPBACK] = "loopback",
	[SANDBOX_HOSTNAME] = "hostname", [SANDBOX_PROC] = "proc", [SANDBOX_SYSFS] = "sysfs",
	[SANDBOX_DEV] = "dev", [SANDBOX_IPC] = "ipc", [SANDBOX_PARK] = "park", [SANDBOX_MOVE_ROOT] = "move_root",
	[SANDBOX_MOUNTS] = "mounts", [SANDBOX_PIVOT] = "pivot", [SANDBOX_CWD] = "cwd",
	[SANDBOX_RLIMITS] = "rlimits", [SANDBOX_GROUPS] = "groups", [SANDBOX_CAPS] = "caps",
	[SANDBOX_NO_NEW_PRIVS] = "no_new_privs", [SANDBOX_SECCOMP] = "seccomp",
	[SANDBOX_FORK] = "fork", [SANDBOX_INIT] = "init", [SANDBOX_EXEC] = "exec",
	[SANDBOX_RING_SETUP] = "ring_setup", [SANDBOX_RING_BUFFERS] = "ring_buffers",
	[SANDBOX_RING_RESTRICT] = "ring_restrict", [SANDBOX_RING_ENABLE] = "ring_enable",
	[SANDBOX_STRICT] = "strict",
};
/* clang-format on */

const char *sandbox_step_name(uint32_t step)
{
	return step < ARRAY_LEN(step_names) && step_names[step] ? step_names[step] : "?";
}

struct sandbox_word step_fault(enum sandbox_step step, int err)
{
	return (struct sandbox_word){.says = SANDBOX_SAYS_FAULT, .a = step, .b = -err};
}

void step_timed(const struct shared *shared, enum sandbox_step step, uint64_t begun_ns)
{
	must(step < SANDBOX_STEP_COUNT);
	atomic_fetch_add(&shared->clock->total_ns[step], clock_mono_ns() - begun_ns);
	atomic_fetch_add(&shared->clock->count[step], 1);
}

int steps_run(struct inside *in, const struct step *steps, size_t count, struct sandbox_word *fault)
{
	_Static_assert(ARRAY_LEN(step_names) == SANDBOX_STEP_COUNT, "each step has a name");
	for (size_t i = 0; i < count; i++) {
		uint64_t begun_ns = clock_mono_ns();
		int r = in->shared->fail_step == steps[i].step ? -EIO : steps[i].run(in);

		if (!steps[i].waits)
			step_timed(in->shared, steps[i].step, begun_ns);
		if (r < 0) {
			*fault = step_fault(steps[i].step, r);
			return r;
		}
	}
	return 0;
}

void step_report(int control_fd, const struct sandbox_word *fault)
{
	struct iovec part = {(void *)fault, sizeof(*fault)};

	must(fault->says == SANDBOX_SAYS_FAULT);
	(void)message_send(control_fd, &part, 1, NULL, 0, 0);
	(void)shutdown(control_fd, SHUT_WR);
}
