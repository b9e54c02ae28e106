// SPDX-License-Identifier: Apache-2.0
/* ebb-dns: answers questions of instances for names. Started by ebbd, never by hand. */
#include "runtime/base/filter.h"
#include "runtime/base/program.h"
#include "runtime/dns/loop.h"
#include "runtime/wire/records.h"

FILTER_EMBED(policy, "runtime/dns/seccomp.policy");

static int open_sockets(void *self, const char **step)
{
	struct dns **dns = self;

	*step = "open the sockets";
	return dns_new(DNS_CONTROL_FD, dns);
}

static int run(void *self)
{
	struct dns **dns = self;
	int r = dns_run(*dns);

	dns_free(*dns);
	return r;
}

int main(int argc, char **argv)
{
	struct dns *dns = NULL;
	const struct program program = {.name = "ebb-dns",
					.policy = policy_start,
					.policy_end = policy_end,
					.open = open_sockets,
					.run = run,
					.self = &dns};

	return program_main(&program, argc, argv);
}
