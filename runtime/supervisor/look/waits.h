/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes one line of /proc/TID/syscall (proc(5)): the wait of a thread, and its end.
 *
 * The kernel writes the line, and it stays readable while the thread is frozen. Of the program's
 * own memory at most one time limit is read (for io_uring also its address): two integers, which
 * mean nothing but a number of ns.
 */
#ifndef EBB_SUPERVISOR_WAITS_H
#define EBB_SUPERVISOR_WAITS_H

#include <stdbool.h>
#include <stdint.h>

struct wait_line {
	bool running; /* on a CPU or waiting for one: it sleeps on nothing */
	long number;  /* of the system call; -1 = sleeps outside of one (a page fault) */
	uint64_t args[6], stack;
};

/* 0, or -EBADMSG if the kernel speaks otherwise. */
int wait_line_parse(const char *text, struct wait_line *out);

/* clang-format off */
#define WAIT_KINDS(X) \
	X(FOREVER)   /* no time limit */ \
	X(UNTIL)     /* ns is a point of CLOCK_MONOTONIC */ \
	X(FOR)       /* ns from when it began; a thaw ends it with EINTR and the program reckons anew */ \
	X(FOR_KEPT)  /* the same, but it goes on after a thaw, to the point it had */ \
	X(STRETCHED) /* goes on after a thaw with what was left: frozen time is added */ \
	X(RESUMED)   /* one of the kept ones, after a thaw: its first call cannot be seen any more */
/* clang-format on */
#define X(name) WAIT_##name,
enum wait_kind { WAIT_KINDS(X) WAIT_KIND_COUNT };
#undef X

struct wait {
	enum wait_kind kind;
	const char *name; /* of the system call; "" if it is none we know */
	uint64_t ns;
	bool on_fds; /* may be waiting for a descriptor, so for a timerfd */
};

/* The clocks at one moment, and where time limits are read. */
struct wait_view {
	uint64_t mono_ns, real_ns, boot_ns, tai_ns;
	/* The two 64-bit integers at an address of the program. 0 or -errno. */
	int (*read_pair)(void *ctx, uint64_t address, int64_t out[2]);
	void *ctx;
};

/* *out: the wait of a sleeping thread as it would go on after a freeze; its time limit is read by
 * view->read_pair. */
void wait_decode(const struct wait_line *line, const struct wait_view *view, struct wait *out);

#endif
