/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program confines itself: by the seccomp policy that it embeds (FILTER_EMBED), before it reads
 * the first foreign byte. A forbidden call is named before it ends the program (filter.h).
 */
#ifndef EBB_BASE_CONFINE_H
#define EBB_BASE_CONFINE_H

#include "runtime/base/fault.h"

/* Applies the text from policy to policy_end. 0; or -errno with the cause in f, and then the
 * program must end; or 1 in a build with a sanitizer, which goes on unconfined. The run-time of a
 * sanitizer makes calls of its own at any moment; such a build is for tests and is never installed.
 */
int confine(const char *policy, const char *policy_end, struct fault *f);
/* The same for a program under ebbd: also logs the cause of an error. */
int confine_program(const char *policy, const char *policy_end);

#endif
