// SPDX-License-Identifier: Apache-2.0
/*
 * The one io_uring of a function, in a sandbox that was armed with a ring (SANDBOX_WITH_RING).
 *
 * Seccomp does not see the operations of a ring. So the ring itself is restricted
 * (io_uring_register(2), IORING_REGISTER_RESTRICTIONS) before the function's filter is loaded, and
 * the filter refuses io_uring_setup and io_uring_register. The ring works on descriptors that the
 * function holds. It cannot open, connect, map or send a descriptor, and has no identity but the
 * caller's, no SQPOLL and no forced worker threads. It is created disabled and enabled here, by the
 * thread that will execute the function: SINGLE_ISSUER then refuses it to every other thread and to
 * forks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

/* The sizes are bounded: 128 submissions, 32 KiB of completions, 4 KiB of buffer ring. */
#define SUBMISSIONS 128
#define COMPLETIONS 2048

/* struct io_uring_buf_reg with the member `flags`, which Linux 6.4 put into its padding. */
struct buffer_ring {
	uint64_t address;
	uint32_t entries;
	uint16_t group, flags;
	uint64_t reserved[3];
};
_Static_assert(sizeof(struct buffer_ring) == sizeof(struct io_uring_buf_reg), "the kernel's ABI");
#define KERNEL_MEMORY 1 /* IOU_PBUF_RING_MMAP: memory of the kernel, which survives execve */

/* Each allowed operation works on a descriptor that it is given. Others are not allowed: RECVMSG
 * and SENDMSG carry descriptors; OPENAT, SOCKET, CONNECT, BIND, URING_CMD, MSG_RING and the like
 * reach beyond the descriptors that the function holds; SPLICE and FSYNC run in worker threads
 * only. The time of a TIMEOUT or LINK_TIMEOUT cannot be seen from outside, so such a timer would be
 * late in a frozen instance; the timeout of io_uring_enter and a timerfd can be seen. */
static const uint8_t operations[] = {
	IORING_OP_NOP,      IORING_OP_READ,        IORING_OP_WRITE,        IORING_OP_ACCEPT,
	IORING_OP_RECV,     IORING_OP_SEND,        IORING_OP_SHUTDOWN,     IORING_OP_CLOSE,
	IORING_OP_POLL_ADD, IORING_OP_POLL_REMOVE, IORING_OP_ASYNC_CANCEL,
};
#define SQE_FLAGS (IOSQE_IO_LINK | IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS)

static int call_register(int ring_fd, unsigned int what, const void *argument, unsigned int count)
{
	return syscall(SYS_io_uring_register, ring_fd, what, argument, count) < 0 ? -errno : 0;
}

static int set_up(struct io_uring_params *params)
{
	int fd;

	*params = (struct io_uring_params){
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = COMPLETIONS,
	};
	fd = (int)syscall(SYS_io_uring_setup, SUBMISSIONS, params);
	return fd < 0 ? -errno : fd;
}

static int add_buffers(int ring_fd)
{
	const struct buffer_ring buffers = {
		.entries = RING_BUFFERS, .group = RING_GROUP, .flags = KERNEL_MEMORY};

	return call_register(ring_fd, IORING_REGISTER_PBUF_RING, &buffers, 1);
}

int sandbox_ring_probe(void)
{
	struct io_uring_params params;
	SCOPED_FD fd = set_up(&params);

	return fd < 0 ? fd : add_buffers(fd);
}

/* Makes the ring. Its descriptor gets a high number, because the low numbers are needed later. */
int ring_set_up(struct inside *in)
{
	SCOPED_FD fd = set_up(&in->ring_params);

	if (fd < 0)
		return fd;
	in->ring_fd = fcntl(fd, F_DUPFD_CLOEXEC, 16);
	return in->ring_fd < 0 ? -errno : 0;
}

int ring_add_buffers(struct inside *in)
{
	return add_buffers(in->ring_fd);
}

/* Restricts the ring. The list has no register operation, so none is allowed any more. */
int ring_restrict(struct inside *in)
{
	struct io_uring_restriction list[ARRAY_LEN(operations) + 1] = {
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = SQE_FLAGS}};

	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		list[i + 1] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP,
							    .sqe_op = operations[i]};
	return call_register(in->ring_fd, IORING_REGISTER_RESTRICTIONS, list, ARRAY_LEN(list));
}

int ring_enable(struct inside *in)
{
	return call_register(in->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* Writes EBB_RING_PARAMS=: struct io_uring_params as the kernel filled it, in hexadecimal. */
void ring_describe(const struct io_uring_params *params, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *byte = (const unsigned char *)params;

	out = stpcpy(out, "EBB_RING_PARAMS=");
	for (size_t i = 0; i < sizeof(*params); i++) {
		*out++ = digits[byte[i] >> 4];
		*out++ = digits[byte[i] & 15];
	}
	*out = '\0';
}
