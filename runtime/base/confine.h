/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program confines itself: by the seccomp policy that it embeds (FILTER_EMBED), before it reads
 * the first foreign byte. A forbidden call is named before it ends the program (filter.h).
 */
#ifndef EBB_BASE_CONFINE_H
#define EBB_BASE_CONFINE_H

#include "runtime/base/fault.h"

/* From policy to policy_end. 0; 1 in a build with a sanitizer, whose run-time makes calls of its
 * own at any moment: such a build is for tests, is never installed, and goes on unconfined; or
 * -errno with the cause: the program must end. */
int confine(const char *policy, const char *policy_end, struct fault *f);
/* The same for a program under ebbd, which logs the cause: 0 or 1, or -errno when that is done. */
int confine_program(const char *policy, const char *policy_end);

#endif
