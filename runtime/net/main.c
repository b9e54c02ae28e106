// SPDX-License-Identifier: Apache-2.0
/* ebb-net: the wires of instances and what they may reach. Started by ebbd, never by hand. */
#include "runtime/base/filter.h"
#include "runtime/base/program.h"
#include "runtime/net/loop.h"
#include "runtime/wire/records.h"

FILTER_EMBED(policy, "runtime/net/seccomp.policy");

static int open_sockets(void *self, const char **step)
{
	struct net **net = self;

	*step = "open the sockets";
	return net_new(NET_CONTROL_FD, net);
}

static int run(void *self)
{
	struct net **net = self;
	int r = net_run(*net);

	net_free(*net);
	return r;
}

int main(int argc, char **argv)
{
	struct net *net = NULL;
	const struct program program = {.name = "ebb-net",
					.policy = policy_start,
					.policy_end = policy_end,
					.open = open_sockets,
					.run = run,
					.self = &net};

	return program_main(&program, argc, argv);
}
