// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/ring/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

uint64_t loop_user_data(enum loop_op op, uint32_t index, uint32_t life)
{
	must(op < LOOP_OP_COUNT && index < 1u << 24);
	return (uint64_t)op << 56 | (uint64_t)(index & 0xffffff) << 32 | life;
}

int loop_init(struct loop *l, int ring_fd, const void *params)
{
	struct io_uring_params p;
	int r;

	memcpy(&p, params, sizeof(p));
	if (!(p.flags & IORING_SETUP_DEFER_TASKRUN) || !(p.flags & IORING_SETUP_SINGLE_ISSUER))
		return -EINVAL;
	r = io_uring_queue_mmap(ring_fd, &p, &l->ring);
	if (r < 0)
		return r;
	l->ring.features = p.features;
	/* io_uring_queue_mmap of liburing 2.3 leaves this to queue_init: without it every entry
	 * submitted would be the first one. */
	for (unsigned int i = 0; i < p.sq_entries; i++)
		l->ring.sq.array[i] = i;
	l->now_ns = clock_mono_ns();
	return 0;
}

int loop_enable(struct loop *l)
{
	/* The shared library of liburing 2.3 does not export io_uring_enable_rings. */
	return syscall(__NR_io_uring_register, l->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		       0) < 0
		       ? -errno
		       : 0;
}

void loop_reserve(struct loop *l, unsigned int count)
{
	if (io_uring_sq_space_left(&l->ring) < count)
		io_uring_submit(&l->ring);
}

struct io_uring_sqe *loop_sqe(struct loop *l, enum loop_op op, uint32_t index, uint32_t life)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);

	if (!sqe) {
		io_uring_submit(&l->ring);
		sqe = io_uring_get_sqe(&l->ring);
	}
	must(sqe);
	io_uring_prep_nop(sqe);
	sqe->user_data = loop_user_data(op, index, life);
	return sqe;
}

static void dispatch(struct loop *l, const struct io_uring_cqe *cqe)
{
	enum loop_op op = (enum loop_op)(cqe->user_data >> 56);
	struct loop_event event = {
		.index = (uint32_t)(cqe->user_data >> 32) & 0xffffff,
		.life = (uint32_t)cqe->user_data,
		.res = cqe->res,
		.flags = cqe->flags,
	};

	if (op > LOOP_IGNORE && op < LOOP_OP_COUNT)
		l->handlers[op](l->self, &event);
}

int loop_run(struct loop *l)
{
	must(l->handlers && l->before_wait);
	while (!l->stop) {
		struct io_uring_cqe *cqe;
		unsigned int head, count = 0;
		int r;

		l->before_wait(l->self);
		r = io_uring_submit_and_wait(&l->ring, 1);
		if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
			return r;
		l->enters++;
		l->now_ns = clock_mono_ns();
		io_uring_for_each_cqe(&l->ring, head, cqe)
		{
			dispatch(l, cqe);
			count++;
		}
		io_uring_cq_advance(&l->ring, count);
	}
	return 0;
}
