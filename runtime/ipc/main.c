// SPDX-License-Identifier: Apache-2.0
/* ebb-ipc: hears what programs inside instances say. Started by ebbd, never by hand. */
#include "runtime/base/filter.h"
#include "runtime/base/program.h"
#include "runtime/ipc/loop.h"
#include "runtime/wire/records.h"

FILTER_EMBED(policy, "runtime/ipc/seccomp.policy");

static int make_tables(void *self, const char **step)
{
	struct ipc **ipc = self;

	*step = "make the tables";
	return ipc_new(IPC_CONTROL_FD, ipc);
}

static int run(void *self)
{
	struct ipc **ipc = self;
	int r = ipc_run(*ipc);

	ipc_free(*ipc);
	return r;
}

int main(int argc, char **argv)
{
	struct ipc *ipc = NULL;
	const struct program program = {.name = "ebb-ipc",
					.policy = policy_start,
					.policy_end = policy_end,
					.open = make_tables,
					.run = run,
					.self = &ipc};

	return program_main(&program, argc, argv);
}
