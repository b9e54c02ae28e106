// SPDX-License-Identifier: Apache-2.0
/* The part of the guest that was given a ring: its use is tried, allowed and forbidden. */
#include "tests/unit/ring_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define RING_FD 4

struct ring {
	struct io_uring_params params;
	unsigned char *rings;
	struct io_uring_sqe *sqes;
};

static int digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static int ring_open(struct ring *r)
{
	const char *hex = getenv("EBB_RING_PARAMS");
	unsigned char *bytes = (unsigned char *)&r->params;
	size_t size;

	if (!hex || strlen(hex) != 2 * sizeof(r->params))
		return -1;
	for (size_t i = 0; i < sizeof(r->params); i++)
		bytes[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	size = r->params.cq_off.cqes + r->params.cq_entries * sizeof(struct io_uring_cqe);
	r->rings =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, RING_FD, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, r->params.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED, RING_FD, IORING_OFF_SQES);
	if (r->rings == MAP_FAILED || r->sqes == MAP_FAILED)
		return -1;
	for (unsigned i = 0; i < r->params.sq_entries; i++)
		((uint32_t *)(r->rings + r->params.sq_off.array))[i] = i;
	return 0;
}

static uint32_t *at(const struct ring *r, uint32_t offset)
{
	return (uint32_t *)(r->rings + offset);
}

/* Submits one entry and waits for its completion; -errno of the system call, or its result. */
static int ring_do(struct ring *r, const struct io_uring_sqe *sqe)
{
	uint32_t tail = *at(r, r->params.sq_off.tail), head = *at(r, r->params.cq_off.head);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(r->rings + r->params.cq_off.cqes);
	int n;

	r->sqes[tail & (r->params.sq_entries - 1)] = *sqe;
	__atomic_store_n(at(r, r->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	n = (int)syscall(SYS_io_uring_enter, RING_FD, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	if (n < 0) {
		/* The entry was not taken: it is removed, or the next call would submit it. */
		__atomic_store_n(at(r, r->params.sq_off.tail), tail, __ATOMIC_RELEASE);
		return -errno;
	}
	/* If the wait is interrupted, as by a freeze, the entry is submitted and not yet
	 * completed. */
	while (__atomic_load_n(at(r, r->params.cq_off.tail), __ATOMIC_ACQUIRE) == head)
		(void)syscall(SYS_io_uring_enter, RING_FD, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	n = cqes[head & (r->params.cq_entries - 1)].res;
	__atomic_store_n(at(r, r->params.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return n;
}

static void say(const char *name, int result)
{
	printf("%s=%s\n", name, result < 0 ? strerrorname_np(-result) : "ok");
}

static void say_do(struct ring *r, const char *name, struct io_uring_sqe sqe)
{
	say(name, ring_do(r, &sqe));
}

static int say_call(const char *name, long result)
{
	say(name, result < 0 ? -errno : 0);
	return 0;
}

/* Operations on no list: each by number, up to one that this kernel does not have. */
static void try_every_operation(struct ring *r)
{
	static const int listed[] = {
		IORING_OP_NOP,      IORING_OP_READ,        IORING_OP_WRITE,       IORING_OP_ACCEPT,
		IORING_OP_RECV,     IORING_OP_SEND,        IORING_OP_SHUTDOWN,    IORING_OP_CLOSE,
		IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE, IORING_OP_ASYNC_CANCEL};
	int refused = 0, other = 0;

	for (int op = 0; op < 64; op++) {
		struct io_uring_sqe sqe = {.opcode = (uint8_t)op, .fd = -1};
		int known = 0, result;

		for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++)
			known |= listed[i] == op;
		if (known)
			continue;
		result = ring_do(r, &sqe);
		refused += result == -EACCES || result == -EINVAL;
		if (result != -EACCES && result != -EINVAL)
			printf("operation %d gave %d\n", op, result), other++;
	}
	printf("operations_refused=%d others=%d\n", refused, other);
}

static void try_operations(struct ring *r)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0x"};
	char byte = 'a', control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int pair[2], secret = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return;
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(c), &secret, sizeof(secret));
	say_do(r, "nop", (struct io_uring_sqe){.opcode = IORING_OP_NOP});
	say_do(r, "send",
	       (struct io_uring_sqe){.opcode = IORING_OP_SEND,
				     .fd = pair[0],
				     .addr = (uintptr_t)&byte,
				     .len = 1});
	say_do(r, "recv",
	       (struct io_uring_sqe){.opcode = IORING_OP_RECV,
				     .fd = pair[1],
				     .addr = (uintptr_t)&byte,
				     .len = 1});
	say_do(r, "openat",
	       (struct io_uring_sqe){.opcode = IORING_OP_OPENAT,
				     .fd = AT_FDCWD,
				     .addr = (uintptr_t) "/etc/passwd"});
	say_do(r, "socket",
	       (struct io_uring_sqe){
		       .opcode = IORING_OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM});
	say_do(r, "connect",
	       (struct io_uring_sqe){.opcode = IORING_OP_CONNECT,
				     .fd = pair[0],
				     .addr = (uintptr_t)&name,
				     .off = sizeof(name)});
	say_do(r, "sendmsg_rights",
	       (struct io_uring_sqe){.opcode = IORING_OP_SENDMSG,
				     .fd = pair[0],
				     .addr = (uintptr_t)&m,
				     .len = 1});
	say_do(r, "async", (struct io_uring_sqe){.opcode = IORING_OP_NOP, .flags = IOSQE_ASYNC});
	say_do(r, "fixed_file",
	       (struct io_uring_sqe){.opcode = IORING_OP_NOP, .flags = IOSQE_FIXED_FILE});
	say_do(r, "drain", (struct io_uring_sqe){.opcode = IORING_OP_NOP, .flags = IOSQE_IO_DRAIN});
	say_do(r, "personality", (struct io_uring_sqe){.opcode = IORING_OP_NOP, .personality = 1});
}

static void *in_thread(void *ring)
{
	say_do(ring, "thread", (struct io_uring_sqe){.opcode = IORING_OP_NOP});
	return NULL;
}

static void try_others(struct ring *r)
{
	pthread_t thread;
	pid_t child;

	if (pthread_create(&thread, NULL, in_thread, r) == 0)
		pthread_join(thread, NULL);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		say_do(r, "fork", (struct io_uring_sqe){.opcode = IORING_OP_NOP});
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void try_calls(void)
{
	static const struct {
		const char *name;
		unsigned int what;
	} registers[] = {
		{"register_files", IORING_REGISTER_FILES},
		{"register_buffers", IORING_REGISTER_BUFFERS},
		{"register_personality", IORING_REGISTER_PERSONALITY},
		{"register_restrictions", IORING_REGISTER_RESTRICTIONS},
		{"register_enable", IORING_REGISTER_ENABLE_RINGS},
		{"register_pbuf", IORING_REGISTER_PBUF_RING},
		{"register_workers", IORING_REGISTER_IOWQ_MAX_WORKERS},
		{"register_resize", 33},
		{"register_clone", 30},
	};
	struct io_uring_params params = {0};

	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		say_call(registers[i].name,
			 syscall(SYS_io_uring_register, RING_FD, registers[i].what, &params, 1));
	say_call("register_blind", syscall(SYS_io_uring_register, -1, 31, &params, 1));
	say_call("setup", syscall(SYS_io_uring_setup, 1, &params));
	say_call("enter_other", syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0));
	say_call("enter_high", syscall(SYS_io_uring_enter, 4ul | 1ul << 32, 0, 0, 0, NULL, 0));
	say_call("enter_registered", syscall(SYS_io_uring_enter, 4, 0, 0, 16, NULL, 0));
}

/* Keeps a worker thread of the ring at work until this process is ended. A read of /dev/full goes
 * to a worker, because that device cannot be read with IOCB_NOWAIT; the submitting thread itself
 * would do a read of /dev/zero. */
static void spin(struct ring *r)
{
	static char buffer[32 << 20];
	const struct io_uring_sqe sqe = {.opcode = IORING_OP_READ,
					 .fd = open("/dev/full", O_RDONLY),
					 .addr = (uintptr_t)buffer,
					 .len = sizeof(buffer)};

	/* A freeze cuts a read short; if nothing was read yet, the result is -EINTR. */
	for (int n = 1; n > 0 || n == -EINTR;)
		n = ring_do(r, &sqe);
}

void ring_try(void)
{
	struct ring r;

	printf("fd=%s buffers=%s\n", getenv("EBB_RING_FD"), getenv("EBB_RING_BUFFERS"));
	if (ring_open(&r) < 0) {
		printf("no ring\n");
		return;
	}
	try_operations(&r);
	try_every_operation(&r);
	try_calls();
	try_others(&r);
	say_do(&r, "still", (struct io_uring_sqe){.opcode = IORING_OP_NOP});
}

void ring_work(void)
{
	struct ring r;

	if (ring_open(&r) < 0)
		return;
	printf("begun\n");
	fflush(stdout);
	spin(&r);
}
