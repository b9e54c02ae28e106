// SPDX-License-Identifier: Apache-2.0
/* ebb-ipc: hears what programs inside instances say. Started by ebbd, never by hand. */
#include <signal.h>
#include <stdlib.h>

#include "runtime/base/confine.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/rehearse.h"
#include "runtime/ipc/loop.h"
#include "runtime/wire/records.h"

FILTER_EMBED(policy, "runtime/ipc/seccomp.policy");

int main(int argc, char **argv)
{
	const char *rehearsal = rehearse_wanted(argc, argv);
	struct ipc *ipc = NULL;
	int r;

	log_init_named("ebb-ipc");
	if (rehearsal)
		return confine_program(policy_start, policy_end) < 0 || rehearse(rehearsal) < 0
			       ? EXIT_FAILURE
			       : EXIT_SUCCESS;
	log_to_supervisor();
	signal(SIGPIPE, SIG_IGN); /* a log pipe that nobody reads any more */
	if (ipc_new(IPC_CONTROL_FD, &ipc) < 0) {
		log_error("event=start_failed step=TABLES");
		return EXIT_FAILURE;
	}
	log_debug("event=starting");
	if (confine_program(policy_start, policy_end) < 0)
		return EXIT_FAILURE;
	r = ipc_run(ipc);
	ipc_free(ipc);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
