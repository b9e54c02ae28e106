// SPDX-License-Identifier: Apache-2.0
/* ebb-flow: keeps schedules. Started by ebbd, never by hand. */
#include <stddef.h>

#include "runtime/base/filter.h"
#include "runtime/base/program.h"
#include "runtime/flow/loop.h"
#include "runtime/wire/records.h"

FILTER_EMBED(policy, "runtime/flow/seccomp.policy");

static int run(void *self)
{
	(void)self;
	return flow_run(FLOW_CONTROL_FD);
}

int main(int argc, char **argv)
{
	const struct program program = {
		.name = "ebb-flow", .policy = policy_start, .policy_end = policy_end, .run = run};

	return program_main(&program, argc, argv);
}
