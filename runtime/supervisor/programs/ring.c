// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/programs/ring.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define ENTRIES     1024
#define COMPLETIONS 8192

/* Seccomp does not see what a ring does, so this list bounds a hijacked gateway. It cannot open,
 * create or name a file, make a socket, receive or send descriptors, or reach another ring. */
static const uint8_t operations[] = {
	IORING_OP_ACCEPT,         /* clients, from the listeners it was given */
	IORING_OP_CONNECT,        /* sockets born inside instances */
	IORING_OP_RECV,           /* both sides */
	IORING_OP_SEND,           /* both sides */
	IORING_OP_SHUTDOWN,       /* the end of one direction */
	IORING_OP_CLOSE,          /* behind what else is to be submitted */
	IORING_OP_POLL_ADD,       /* splice(2), the channel, signals */
	IORING_OP_ASYNC_CANCEL,   /* before a close: an armed receive pins the socket */
	IORING_OP_TIMEOUT,        /* the one timer */
	IORING_OP_TIMEOUT_REMOVE, /* ... moved or taken back */
};
#define SQE_FLAGS (IOSQE_BUFFER_SELECT | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS)

/* In force once the ring is enabled; until then the gateway may register its buffer ring. */
static int restrict_ring(int ring_fd)
{
	struct io_uring_restriction list[ARRAY_LEN(operations) + 1] = {
		{.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = SQE_FLAGS}};

	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		list[i + 1] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP,
							    .sqe_op = operations[i]};
	return syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_RESTRICTIONS, list,
		       ARRAY_LEN(list)) < 0
		       ? -errno
		       : 0;
}

int gateway_ring(struct io_uring_params *params, int *out_fd)
{
	SCOPED_FD fd = -1;
	int r;

	*params = (struct io_uring_params){
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
		.cq_entries = COMPLETIONS,
	};
	fd = (int)syscall(SYS_io_uring_setup, ENTRIES, params);
	if (fd < 0)
		return -errno;
	r = restrict_ring(fd);
	if (r == 0)
		*out_fd = keep_fd(&fd);
	return r;
}
