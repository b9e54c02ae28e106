// SPDX-License-Identifier: Apache-2.0
/* ebb-ledger: keeps the bill. Started by ebbd, never by hand. */
#include <stdlib.h>

#include "runtime/base/confine.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/rehearse.h"
#include "runtime/base/sha256.h"
#include "runtime/ledger/loop.h"

FILTER_EMBED(policy, "runtime/ledger/seccomp.policy");

int main(int argc, char **argv)
{
	const char *rehearsal = rehearse_wanted(argc, argv);
	uint8_t digest[SHA256_BYTES];

	log_init_named("ebb-ledger");
	if (!rehearsal)
		log_to_supervisor();
	/* libcrypto looks for its configuration at its first use. That is here, before the filter
	 * is loaded, so the filter needs no rule for it. */
	if (sha256_of("", 0, digest) < 0) {
		log_error("event=start_failed why=\"libcrypto has no SHA-256\"");
		return EXIT_FAILURE;
	}
	if (confine_program(policy_start, policy_end) < 0)
		return EXIT_FAILURE;
	if (rehearsal)
		return rehearse(rehearsal) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	return ledger_run(LEDGER_CONTROL_FD) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
