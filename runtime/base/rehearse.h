/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does on purpose what a program does seldom. `ebb-ipc --rehearse all` loads its filter, logs at
 * every level, prints every error, formats dates, texts and numbers, and takes and returns memory
 * as none of its usual work does. So a test finds a call that the filter forbids, before a host
 * does. It reads and opens nothing and keeps its caller's rights, so anybody may run it.
 */
#ifndef EBB_BASE_REHEARSE_H
#define EBB_BASE_REHEARSE_H

/* The word behind --rehearse, or NULL: an ordinary start. */
const char *rehearse_wanted(int argc, char *const *argv);
/* Call under the filter. "all" returns 0; "must", "heap" and "stack" end as a broken invariant, a
 * broken heap and a broken stack do: by SIGABRT, with a word on stderr. -EINVAL: another word. */
int rehearse(const char *what);

#endif
