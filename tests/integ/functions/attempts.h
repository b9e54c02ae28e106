/* SPDX-License-Identifier: Apache-2.0 */
/* Things a function has no right to do, tried one by one by name: the sandbox tests read what the
 * kernel answered. */
#ifndef PROBE_ATTEMPTS_H
#define PROBE_ATTEMPTS_H

/* Tries it; 0 if it worked, else the errno; -1 for a name that does not exist. */
int attempt(const char *name, const char *path);

#endif
