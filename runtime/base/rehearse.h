/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program says seldom, said on purpose: `ebb-ipc --rehearse all` loads its filter, logs at
 * every level, prints every error, formats dates, texts and numbers, and takes and returns memory
 * as none of its usual work does; a call that the filter forbids then shows in a test and not the
 * first time that something is wrong on a host. It reads nothing, opens nothing and is what it was
 * started as, so it may be run by anybody.
 */
#ifndef EBB_BASE_REHEARSE_H
#define EBB_BASE_REHEARSE_H

/* The word behind --rehearse, or NULL: an ordinary start. */
const char *rehearse_wanted(int argc, char *const *argv);
/* Call under the filter. "all" returns 0; "must", "heap" and "stack" end as a broken invariant, a
 * broken heap and a broken stack do: by SIGABRT, with a word on stderr. -EINVAL: another word. */
int rehearse(const char *what);

#endif
