/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does on purpose what a program does seldom. `ebb-ipc --rehearse all` loads the filter of ebb-ipc,
 * logs at every level, prints every error, formats dates, texts and numbers, and takes and returns
 * memory in ways that its usual work does not. So a test finds a call that the filter forbids
 * before a host does. A rehearsal reads and opens no file and keeps the rights of its caller, so
 * anybody may run it.
 */
#ifndef EBB_BASE_REHEARSE_H
#define EBB_BASE_REHEARSE_H

/* The word behind --rehearse, or NULL: an ordinary start. */
const char *rehearse_wanted(int argc, char *const *argv);
/* Call it under the filter. "all" returns 0. "must", "heap" and "stack" end the process as a broken
 * invariant, a broken heap and a broken stack do: by SIGABRT, with a word on stderr. -EINVAL:
 * another word. */
int rehearse(const char *what);

#endif
