// SPDX-License-Identifier: Apache-2.0
/* ebb-ledger: keeps the bill. Started by ebbd, never by hand. */
#include <stdlib.h>

#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/rehearse.h"
#include "runtime/base/sha256.h"
#include "runtime/ledger/loop.h"

/* A sanitizer's run-time makes calls of its own at any moment: such builds are for tests,
 * unconfined. */
#ifdef __SANITIZE_ADDRESS__
#define CONFINED 0
#else
#define CONFINED 1
#endif

FILTER_EMBED(policy, "runtime/ledger/seccomp.policy");

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
	uint8_t digest[SHA256_BYTES];

	log_init("ebb-ledger", level < 0 ? LOG_INFO_LEVEL : (enum log_level)level);
	if (!rehearsal)
		log_to_supervisor();
	/* libcrypto looks for its configuration once: before the filter, so that this needs no
	 * rule. */
	if (sha256_of("", 0, digest) < 0) {
		log_error("event=start_failed why=\"libcrypto has no SHA-256\"");
		return EXIT_FAILURE;
	}
	if (confine() < 0)
		return EXIT_FAILURE;
	if (rehearsal)
		return rehearse(rehearsal) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	return loop_run(LEDGER_CONTROL_FD) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
