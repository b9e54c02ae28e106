// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/ring/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

uint64_t ring_user_data(enum ring_op op, uint32_t index, uint32_t life)
{
	must(op < RING_OP_COUNT && index < 1u << 24);
	return (uint64_t)op << 56 | (uint64_t)(index & 0xffffff) << 32 | life;
}

int ring_init(struct ring *l, int ring_fd, const void *params)
{
	struct io_uring_params p;
	int r;

	memcpy(&p, params, sizeof(p));
	if (!(p.flags & IORING_SETUP_DEFER_TASKRUN) || !(p.flags & IORING_SETUP_SINGLE_ISSUER))
		return -EINVAL;
	r = io_uring_queue_mmap(ring_fd, &p, &l->uring);
	if (r < 0)
		return r;
	l->uring.features = p.features;
	/* io_uring_queue_mmap of liburing 2.3 leaves this array to io_uring_queue_init: without it
	 * every submitted entry would be the first one. */
	for (unsigned int i = 0; i < p.sq_entries; i++)
		l->uring.sq.array[i] = i;
	l->now_ns = clock_mono_ns();
	return 0;
}

int ring_enable(struct ring *l)
{
	/* The shared library of liburing 2.3 does not export io_uring_enable_rings. */
	return syscall(__NR_io_uring_register, l->uring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
		       0) < 0
		       ? -errno
		       : 0;
}

void ring_reserve(struct ring *l, unsigned int count)
{
	if (io_uring_sq_space_left(&l->uring) < count)
		io_uring_submit(&l->uring);
}

struct io_uring_sqe *ring_sqe(struct ring *l, enum ring_op op, uint32_t index, uint32_t life)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->uring);

	if (!sqe) {
		io_uring_submit(&l->uring);
		sqe = io_uring_get_sqe(&l->uring);
	}
	must(sqe);
	sqe->user_data = ring_user_data(op, index, life);
	return sqe;
}

/* A connection to TCP takes three passes: the connect, its end, the send that is linked to it. */
#define PASSES 3

void ring_submit_now(struct ring *l)
{
	(void)io_uring_submit_and_get_events(&l->uring);
	for (int i = 1; i < PASSES; i++)
		(void)io_uring_get_events(&l->uring);
	l->enters += PASSES;
}

static int next_to_close(struct ring *l)
{
	int fd = l->closes[l->close_first];

	must(l->close_count > 0);
	l->close_first = (l->close_first + 1) % RING_CLOSES_MAX;
	l->close_count--;
	return fd;
}

void ring_close(struct ring *l, int fd)
{
	if (l->close_count == RING_CLOSES_MAX)
		(void)close(next_to_close(l));
	l->closes[(l->close_first + l->close_count++) % RING_CLOSES_MAX] = fd;
}

/* In a turn. The rest waits for the next one, which comes at once. */
#define CLOSES_A_TURN 4

static void submit_closes(struct ring *l)
{
	struct io_uring_sqe *sqe = NULL;

	for (uint32_t n = 0; n < CLOSES_A_TURN && l->close_count > 0; n++) {
		sqe = ring_sqe(l, RING_IGNORE, 0, 0);
		io_uring_prep_close(sqe, next_to_close(l));
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	}
	if (l->close_count > 0)
		sqe->flags &= (uint8_t)~IOSQE_CQE_SKIP_SUCCESS; /* its completion ends the wait */
}

static void dispatch(struct ring *l, const struct io_uring_cqe *cqe)
{
	enum ring_op op = (enum ring_op)(cqe->user_data >> 56);
	struct ring_event event = {
		.index = (uint32_t)(cqe->user_data >> 32) & 0xffffff,
		.life = (uint32_t)cqe->user_data,
		.res = cqe->res,
		.flags = cqe->flags,
	};

	if (op > RING_IGNORE && op < RING_OP_COUNT)
		l->handlers[op](l->self, &event);
}

int ring_run(struct ring *l)
{
	must(l->handlers && l->before_wait);
	while (!l->stop) {
		struct io_uring_cqe *cqe;
		unsigned int head, count = 0;
		int r;

		l->before_wait(l->self);
		submit_closes(l);
		r = io_uring_submit_and_wait(&l->uring, 1);
		if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
			return r;
		l->enters++;
		l->now_ns = clock_mono_ns();
		io_uring_for_each_cqe(&l->uring, head, cqe)
		{
			dispatch(l, cqe);
			count++;
		}
		io_uring_cq_advance(&l->uring, count);
	}
	return 0;
}
