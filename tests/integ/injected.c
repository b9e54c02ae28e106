// SPDX-License-Identifier: Apache-2.0
/*
 * Makes errors of the kernel and of libc that seldom happen by themselves. It is linked into
 * programs of ebb for tests only (build/MODE/injected); no source of the product knows of it.
 *
 * Before main it loads a filter below the program's own. That filter sends each system call to a
 * listener (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)), whose descriptor the test takes by
 * pidfd_getfd(2): the test answers with an error or lets the call pass (injector.py). A call that
 * the program's own filter forbids stays forbidden, because the strictest answer counts. The first
 * call waits until the test has the descriptor, so the test sees every call.
 *
 * Other errors are ordered through shared memory (struct orders), which the test opens by
 * /proc/PID/map_files: a malloc that gives no memory, and operations of the ring that fail. SIGUSR2
 * makes the program call what its own filter forbids.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef INJECTED_RING
#include <liburing.h>
#endif

#define SPOILED_MAX 64

/* Laid out in injector.py as well. The first `after` of their kind pass, then `times` fail. */
struct order {
	uint64_t after, times, seen, failed;
	uint64_t what; /* the ring: RING_x of runtime/gateway/ring/ring.h */
	int64_t error; /* the ring: -errno */
};

struct orders {
	struct order memory, ring;
};

static struct orders nobody, *orders = &nobody;

static int must_fail(struct order *o)
{
	o->seen++;
	if (o->after > 0) {
		o->after--;
		return 0;
	}
	if (o->times == 0)
		return 0;
	o->times--;
	o->failed++;
	return 1;
}

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static void *none(void)
{
	errno = ENOMEM;
	return NULL;
}

void *__wrap_malloc(size_t size)
{
	return must_fail(&orders->memory) ? none() : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return must_fail(&orders->memory) ? none() : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return must_fail(&orders->memory) ? none() : __real_realloc(block, size);
}

/* ---- the ring ---- */

#ifdef INJECTED_RING
int __real_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned int count);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int count);

static struct {
	uint64_t user_data;
	int64_t error;
} spoiled[SPOILED_MAX];
static unsigned int spoiled_count;

/* Spoils operations before they are submitted. An operation on descriptor -1 has no effect and
 * fails only when its turn comes, so one that is linked before it still goes well. A timeout has no
 * descriptor: it becomes a NOP, which the ring's restrictions refuse. */
static void spoil_entries(struct io_uring *ring)
{
	struct order *o = &orders->ring;

	for (unsigned int at = ring->sq.sqe_head; at != ring->sq.sqe_tail; at++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[at & *ring->sq.kring_mask];

		if (o->error == 0 || sqe->user_data >> 56 != o->what ||
		    spoiled_count == SPOILED_MAX || !must_fail(o))
			continue;
		if (sqe->opcode == IORING_OP_TIMEOUT)
			sqe->opcode = IORING_OP_NOP;
		else
			sqe->fd = -1;
		spoiled[spoiled_count].user_data = sqe->user_data;
		spoiled[spoiled_count++].error = o->error;
	}
}

/* Replaces the error of each spoiled operation by the one that was ordered. */
static void spoil_results(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned int head;

	io_uring_for_each_cqe(ring, head, cqe)
	{
		for (unsigned int i = 0; i < spoiled_count; i++) {
			if (cqe->user_data != spoiled[i].user_data || cqe->res >= 0)
				continue;
			cqe->res = (int)spoiled[i].error;
			spoiled[i] = spoiled[--spoiled_count];
			break;
		}
	}
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	spoil_entries(ring);
	return __real_io_uring_submit(ring);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned int count)
{
	int r;

	spoil_entries(ring);
	r = __real_io_uring_submit_and_wait(ring, count);
	spoil_results(ring);
	return r;
}
#endif

/* ---- before main ---- */

static void call_what_is_forbidden(int signal_number)
{
	(void)syscall(SYS_socket, 1, 1, 0);
}

static void open_orders(void)
{
	int fd = memfd_create("ebb-inject", MFD_CLOEXEC);
	void *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, 4096) == 0)
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (map != MAP_FAILED)
		orders = map;
}

#define PASS(call)                                              \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* (102: runs before the constructor of tests/cov/cover.c, which has 110) */
__attribute__((constructor(102))) static void stack_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		PASS(rt_sigreturn),
		PASS(restart_syscall),
		PASS(exit),
		PASS(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

	open_orders();
	signal(SIGUSR2, call_what_is_forbidden);
	/* The listener's descriptor is left open in this process, where injector.py finds it. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		    &program) < 0)
		abort();
}
