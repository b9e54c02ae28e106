/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp filters from reviewed text, one system call per line with its reason (seccomp(2);
 * filter.c is the one file that includes libseccomp). The grammar of the text is in filter.c and in
 * sandbox/policy/README.md. A policy is compiled once and loaded as raw BPF: building a filter
 * costs 2 ms, loading one 0.15 ms.
 */
#ifndef EBB_BASE_FILTER_H
#define EBB_BASE_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

struct filter {
	struct sock_filter *insns; /* owned */
	unsigned short count;
};

/* Compiles a policy; free *out with filter_fini. 0, or -EINVAL with line, word and cause in err, or
 * another -errno (-ENOMEM, -E2BIG) with its text in err. A name that this libseccomp does not know
 * is an error unless the line says "optional". */
int filter_compile(const char *text, size_t size, struct filter *out, char *err, size_t err_size);
void filter_fini(struct filter *f);
/* Loads the filter for this thread and its later children; sets no_new_privs first. 0 or -errno.
 * Async-signal-safe: may be called between fork and exec. */
int filter_load(const struct filter *f);

/* filter_trap.c: from now on a call that "default trap" forbids is written to stderr, as number and
 * name, and then ends the process by SIGSYS, as "kill" would. The rules of such a policy must not
 * allow rt_sigaction for SIGSYS, or an attacker in the process could go on. 0 or -errno. */
int filter_say_forbidden(void);
const char *filter_call_name(long number); /* "openat", or "?" */
/* FILTER_SAYS stands before the number on stderr. filter_said finds the number of the call in last
 * words; -1: they name none. */
#define FILTER_SAYS "level=error event=forbidden_call nr="
long filter_said(const char *words);

/* Compiles and loads a text in one step, for programs that confine themselves. A forbidden call is
 * named (filter_say_forbidden). 0, or -errno with its cause in err. */
int filter_apply(const char *text, size_t size, char *err, size_t err_size);

/* Makes the file at path (a string literal, relative to the root of the project) part of this
 * program: FILTER_EMBED(policy, "runtime/gateway/seccomp.policy") declares policy_start[] and
 * policy_end[]. */
#define FILTER_EMBED(name, path)                                                             \
	__asm__(".section .rodata\n" #name "_start:\n.incbin \"" path "\"\n" #name "_end:\n" \
		".byte 0\n.previous\n");                                                     \
	extern const char name##_start[], name##_end[]

#endif
