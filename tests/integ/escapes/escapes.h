/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A corpus of ways out of a sandbox. Each attempt would work for root without the barrier: its
 * arguments are valid, and the processes and files that it aims at exist. An answer counts as a
 * refusal only if a barrier gives it (is_refusal); EINVAL, ESRCH, EFAULT and success are reported.
 * tests/integ/answers.py lists the answer that each attempt must get.
 */
#ifndef EBB_TESTS_ESCAPES_H
#define EBB_TESTS_ESCAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Judges the answer of one attempt: result and errno of a call. */
void tried(const char *family, long result, const char *what, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for a call that may kill who makes it: run in a child. */
void tried_in_child(const char *family, long (*call)(uint64_t), uint64_t value, const char *what);
/* A child of this process that waits for its end: something to reach into. */
int victim(void);

/* calls.c */
void try_mounts(void);
void try_namespaces(void);
void try_processes(void);
void try_host(void);
void try_machinery(void);
/* objects.c */
void try_sockets(void);
void try_devices(void);
void try_requests(void);
void try_paths(void);
void try_conventions(void);

#endif
