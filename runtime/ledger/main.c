// SPDX-License-Identifier: Apache-2.0
/* ebb-ledger: keeps the bill. Started by ebbd, never by hand. */
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/filter.h"
#include "runtime/base/program.h"
#include "runtime/base/sha256.h"
#include "runtime/ledger/loop.h"

FILTER_EMBED(policy, "runtime/ledger/seccomp.policy");

/* libcrypto looks for its configuration at its first use. That is here, before the filter is
 * loaded, so the filter needs no rule for it. */
static int use_libcrypto(const char **step)
{
	uint8_t digest[SHA256_BYTES];

	*step = "find SHA-256 in libcrypto";
	return sha256_of("", 0, digest);
}

static int run(void *self)
{
	(void)self;
	return ledger_run(LEDGER_CONTROL_FD);
}

int main(int argc, char **argv)
{
	const struct program program = {.name = "ebb-ledger",
					.policy = policy_start,
					.policy_end = policy_end,
					.prepare = use_libcrypto,
					.run = run};

	return program_main(&program, argc, argv);
}
