// SPDX-License-Identifier: Apache-2.0
/* ebb-net: the wires of instances and what they may reach. Started by ebbd, never by hand. */
#include <signal.h>
#include <stdlib.h>

#include "runtime/base/confine.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/rehearse.h"
#include "runtime/net/loop.h"
#include "runtime/wire/records.h"

FILTER_EMBED(policy, "runtime/net/seccomp.policy");

int main(int argc, char **argv)
{
	const char *rehearsal = rehearse_wanted(argc, argv);
	struct net *net = NULL;
	int r;

	log_init_named("ebb-net");
	if (rehearsal)
		return confine_program(policy_start, policy_end) < 0 || rehearse(rehearsal) < 0
			       ? EXIT_FAILURE
			       : EXIT_SUCCESS;
	log_to_supervisor();
	signal(SIGPIPE, SIG_IGN);
	if (net_new(NET_CONTROL_FD, &net) < 0) {
		log_error("event=start_failed step=SOCKETS");
		return EXIT_FAILURE;
	}
	log_debug("event=starting");
	if (confine_program(policy_start, policy_end) < 0)
		return EXIT_FAILURE;
	r = net_run(net);
	net_free(net);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
