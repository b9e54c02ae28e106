/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts at things that a function has no right to do, each with a name: the sandbox tests read
 * the kernel's answer to each. */
#ifndef PROBE_ATTEMPTS_H
#define PROBE_ATTEMPTS_H

/* Makes the attempt of this name. 0 if it worked, else its errno; -1 if there is no such name. */
int attempt(const char *name, const char *path);

#endif
