// SPDX-License-Identifier: Apache-2.0
/* ebb-ipc: hears what programs inside instances say. Started by ebbd, never by hand. */
#include <signal.h>
#include <stdlib.h>

#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/rehearse.h"
#include "runtime/ipc/loop.h"
#include "runtime/wire/records.h"

/* A sanitizer's run-time makes calls of its own at any moment: such builds are for tests,
 * unconfined. */
#ifdef __SANITIZE_ADDRESS__
#define CONFINED 0
#else
#define CONFINED 1
#endif

FILTER_EMBED(policy, "runtime/ipc/seccomp.policy");

static int confine(void)
{
	char err[256] = "";
	int r = !CONFINED ? 0
			  : filter_apply(policy_start, (size_t)(policy_end - policy_start), err,
					 sizeof(err));

	if (r < 0)
		log_error("event=start_failed step=SECCOMP why=\"%s\"", err);
	return r;
}

int main(int argc, char **argv)
{
	const char *wanted = getenv("EBB_LOG"), *rehearsal = rehearse_wanted(argc, argv);
	int level = wanted ? log_level_parse(wanted) : LOG_INFO_LEVEL;
	struct ipc *ipc = NULL;
	int r;

	log_init("ebb-ipc", level < 0 ? LOG_INFO_LEVEL : (enum log_level)level);
	if (rehearsal)
		return confine() < 0 || rehearse(rehearsal) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	log_to_supervisor();
	signal(SIGPIPE, SIG_IGN); /* a log pipe that nobody reads any more */
	if (ipc_new(IPC_CONTROL_FD, &ipc) < 0) {
		log_error("event=start_failed step=TABLES");
		return EXIT_FAILURE;
	}
	log_debug("event=starting");
	if (confine() < 0)
		return EXIT_FAILURE;
	r = ipc_run(ipc);
	ipc_free(ipc);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
