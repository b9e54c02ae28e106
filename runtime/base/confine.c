// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/confine.h"

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/filter.h"
#include "runtime/base/log.h"

#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

int confine(const char *policy, const char *policy_end, struct fault *f)
{
	char err[256] = "";
	int r;

	if (sanitized)
		return 1;
	r = filter_apply(policy, (size_t)(policy_end - policy), err, sizeof(err));
	if (r < 0)
		(void)fault_say(f, r, "the seccomp policy cannot be applied: %s", err);
	return r;
}

int confine_program(const char *policy, const char *policy_end)
{
	struct fault fault = {0};
	char text[FAULT_TEXT_SIZE];
	int r = confine(policy, policy_end, &fault);

	if (r < 0)
		log_error("event=start_failed step=SECCOMP why=\"%s\"", fault_text(&fault, text));
	return r;
}
