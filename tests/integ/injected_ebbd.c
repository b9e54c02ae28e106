// SPDX-License-Identifier: Apache-2.0
/*
 * Makes calls of libc fail on order, in ebbd itself and in the processes that it forks until they
 * execute a program: zygote, sandboxes, ebb's other programs. It is linked into ebbd for tests only
 * (build/MODE/injected/ebbd); no source of the product knows of it.
 *
 * ebbd can have no filter with a listener of seccomp_unotify(2) as its programs have (injected.c),
 * because every function would inherit it. So the linker wraps the calls of ebbd's own code
 * (--wrap). Orders lie in memory that ebbd shares with its forked children and that the test opens
 * by /proc/PID/map_files (injected_ebbd.py). Errors while ebbd starts are ordered by its
 * environment: EBB_INJECT="CALL ERRNO AFTER TIMES WHO", numbers but for CALL. In place of a call
 * that is to fail with error 0 it dies of SIGKILL (test_adoption_steps.py).
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/integ/injected_ebbd.h"

enum call {
#define X(name) CALL_##name,
	CALLS(X) CALLS_WITHOUT_NUMBER(X) CALL_COUNT
#undef X
};

/* Laid out in injected_ebbd.py as well. */
struct orders {
	/* The first `after` of this call pass, then `times` fail. who: WHO_x */
	int64_t call, error, after, times, who, failed;
	uint64_t seen[2][CALL_COUNT];
};
enum who { WHO_EBBD, WHO_CHILDREN };

static struct orders nobody, *orders = &nobody;
/* A page that the kernel empties in every forked child (MADV_WIPEONFORK, madvise(2)): to know who
 * it is, a child needs no system call, which its filter could forbid. */
static char nothing[1], *is_ebbd = nothing;

long __real_syscall(long number, ...);

static enum who who_am_i(void)
{
	return *is_ebbd ? WHO_EBBD : WHO_CHILDREN;
}

/* Whether the kernel can fail this call with this second argument. */
static int can_fail(enum call call, long b)
{
	return (call != CALL_epoll_ctl || b == 1 /* EPOLL_CTL_ADD */) &&
	       (call != CALL_fcntl || b == 1030 /* F_DUPFD_CLOEXEC */);
}

/* The errno to fail with, or 0. */
static int must_fail(enum call call, long b)
{
	enum who who = who_am_i();

	if (!can_fail(call, b))
		return 0;
	__atomic_fetch_add(&orders->seen[who][call], 1, __ATOMIC_RELAXED);
	if (orders->times <= 0 || orders->call != (int64_t)call || orders->who != (int64_t)who)
		return 0;
	if (orders->after > 0) {
		orders->after--;
		return 0;
	}
	orders->times--;
	orders->failed++;
	if (orders->error == 0) /* it dies in place of this call */
		(void)__real_syscall(SYS_kill, __real_syscall(SYS_getpid), (long)SIGKILL);
	errno = (int)orders->error;
	return 1;
}

/* All arguments are numbers and pointers: six are passed in registers, a seventh on the stack. */
#define WRAP(name)                                                                              \
	long __real_##name(long a, long b, long c, long d, long e, long f, long g);             \
	long __wrap_##name(long a, long b, long c, long d, long e, long f, long g);             \
	long __wrap_##name(long a, long b, long c, long d, long e, long f, long g)              \
	{                                                                                       \
		return must_fail(CALL_##name, b) ? FAILED : __real_##name(a, b, c, d, e, f, g); \
	}
#define FAILED -1
CALLS_PLAIN(WRAP)

long __wrap_syscall(long a, long b, long c, long d, long e, long f, long g);
long __wrap_syscall(long a, long b, long c, long d, long e, long f, long g)
{
	int i_was_ebbd = *is_ebbd;
	long r = must_fail(CALL_syscall, b) ? -1 : __real_syscall(a, b, c, d, e, f, g);

	/* The keeper's child is the ebbd that works. A sandbox clones so too, far below. */
	if (a == SYS_clone && b & CLONE_FILES && r == 0 && i_was_ebbd)
		*is_ebbd = 1;
	return r;
}
#undef FAILED
#define FAILED 0
CALLS_WITHOUT_NUMBER(WRAP)

static int64_t number_of(const char *name)
{
	static const char *const names[] = {
#define X(name) #name,
		CALLS(X) CALLS_WITHOUT_NUMBER(X)
#undef X
	};

	for (int64_t i = 0; i < CALL_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	abort();
}

static void read_orders(const char *text)
{
	char name[32];
	long error, after, times, who;

	if (sscanf(text, "%31s %ld %ld %ld %ld", name, &error, &after, &times, &who) != 5)
		abort();
	orders->call = number_of(name);
	orders->error = error;
	orders->after = after;
	orders->who = who;
	orders->times = times;
}

static void *map_pages(int fd, long size, int flags)
{
	void *map = (void *)__real_syscall(SYS_mmap, 0L, size, (long)(PROT_READ | PROT_WRITE),
					   (long)flags, (long)fd, 0L);

	if (map == MAP_FAILED)
		abort();
	return map;
}

static void mark_ebbd(void)
{
	char *page = map_pages(-1, 4096, MAP_PRIVATE | MAP_ANONYMOUS);

	if (madvise(page, 4096, MADV_WIPEONFORK) < 0)
		abort();
	*page = 1;
	is_ebbd = page;
}

__attribute__((constructor(102))) static void open_orders(void)
{
	int fd = (int)__real_syscall(SYS_memfd_create, "ebb-inject", 1u /* MFD_CLOEXEC */);

	mark_ebbd();
	if (fd < 0 || __real_syscall(SYS_ftruncate, fd, 8192L) < 0)
		abort();
	orders = map_pages(fd, 8192, MAP_SHARED);
	(void)__real_syscall(SYS_close, fd);
	if (getenv("EBB_INJECT"))
		read_orders(getenv("EBB_INJECT"));
}
