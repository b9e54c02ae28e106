// SPDX-License-Identifier: Apache-2.0
/*
 * The backend on the instance's restricted io_uring (EBB_RING_FD). It uses multishot accept and
 * receives into the buffer ring; all operations are submitted by the call that waits. Only this
 * thread uses the ring, so only fields that the kernel writes are read with acquire. liburing is
 * not used, because it cannot adopt a ring that another process has set up.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop.h"

#define GROUP            0
#define PBUF_RING_OFFSET 0x80000000ull /* IORING_OFF_PBUF_RING, Linux 6.4 */
#define ACCEPT_AGAIN_MS  10
enum kind {
	KIND_ACCEPT,
	KIND_RECEIVE,
	KIND_SEND,
	KIND_HANGUP,
	KIND_WATCH
}; /* low bits of user_data */
#define KIND_MASK 7u

struct io {
	int fd;
	struct io_uring_params params;
	char *rings;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	struct io_uring_buf_ring *buffers;
	uint32_t sq_tail, cq_head;
	uint16_t buffer_tail;
	struct ebb_timer accept_again;
	struct ebb *loop;
};

static uint32_t *word(const struct io *io, uint32_t offset)
{
	return (uint32_t *)(void *)(io->rings + offset);
}

/* ---- adopting the ring ---- */

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_params(struct io_uring_params *out)
{
	const char *hex = getenv("EBB_RING_PARAMS");
	unsigned char *byte = (unsigned char *)out;

	if (!hex || strlen(hex) != 2 * sizeof(*out) || env_number("EBB_RING_BUFFERS", 0) != BUFFERS)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(*out); i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		byte[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

static void *map(int fd, size_t size, uint64_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			(off_t)offset);

	return at == MAP_FAILED ? NULL : at;
}

static int map_all(struct io *io)
{
	const struct io_uring_params *p = &io->params;
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(*io->cqes);

	io->rings = map(io->fd, sq > cq ? sq : cq, IORING_OFF_SQ_RING);
	io->sqes = map(io->fd, p->sq_entries * sizeof(*io->sqes), IORING_OFF_SQES);
	io->buffers = map(io->fd, BUFFERS * sizeof(struct io_uring_buf),
			  PBUF_RING_OFFSET | (uint64_t)GROUP << 16);
	if (!io->rings || !io->sqes || !io->buffers)
		return -errno;
	io->cqes = (struct io_uring_cqe *)(void *)(io->rings + p->cq_off.cqes);
	for (uint32_t i = 0; i < p->sq_entries; i++)
		word(io, p->sq_off.array)[i] = i;
	return 0;
}

static void ring_give(struct ebb *e, int buffer)
{
	struct io *io = e->io;
	struct io_uring_buf *at = &io->buffers->bufs[io->buffer_tail & (BUFFERS - 1)];

	/* The entry is not written as a whole, because the ring's tail lies in the first entry. */
	at->addr = (uintptr_t)(e->buffers + (size_t)buffer * BUFFER_BYTES);
	at->len = BUFFER_BYTES;
	at->bid = (uint16_t)buffer;
	__atomic_store_n(&io->buffers->tail, ++io->buffer_tail, __ATOMIC_RELEASE);
}

/* ---- submitting ---- */

static int enter(struct io *io, uint64_t timeout_ns, bool wait)
{
	struct __kernel_timespec t = {.tv_sec = (long long)(timeout_ns / 1000000000),
				      .tv_nsec = (long long)(timeout_ns % 1000000000)};
	struct io_uring_getevents_arg arg = {.sigmask_sz = _NSIG / 8,
					     .ts = timeout_ns == UINT64_MAX ? 0 : (uintptr_t)&t};
	uint32_t head = __atomic_load_n(word(io, io->params.sq_off.head), __ATOMIC_ACQUIRE);

	__atomic_store_n(word(io, io->params.sq_off.tail), io->sq_tail, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, io->fd, io->sq_tail - head, wait ? 1 : 0,
		    IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg)) < 0)
		return -errno;
	return 0;
}

static struct io_uring_sqe *new_sqe(struct ebb *e, enum kind kind, void *owner, int op, int fd)
{
	struct io *io = e->io;
	struct io_uring_sqe *sqe;

	/* While the ring is full, its entries are submitted. EBUSY means that completions must be
	 * taken first. That cannot be done here; the kernel keeps the completions meanwhile. */
	while (io->sq_tail - __atomic_load_n(word(io, io->params.sq_off.head), __ATOMIC_ACQUIRE) ==
	       io->params.sq_entries)
		(void)enter(io, 0, false);
	sqe = &io->sqes[io->sq_tail++ & (io->params.sq_entries - 1)];
	*sqe = (struct io_uring_sqe){
		.opcode = (uint8_t)op, .fd = fd, .user_data = (uintptr_t)owner | kind};
	return sqe;
}

/* Accepted sockets do not get O_NONBLOCK: operations on them would end with EAGAIN, not wait. */
static void accept_on(struct ebb *e)
{
	struct io_uring_sqe *sqe = new_sqe(e, KIND_ACCEPT, NULL, IORING_OP_ACCEPT, e->listen_fd);

	sqe->ioprio = IORING_ACCEPT_MULTISHOT;
	sqe->accept_flags = SOCK_CLOEXEC;
}

static void on_accept_again(struct ebb_timer *t)
{
	accept_on(((struct io *)t->ctx)->loop);
}

static void ring_receive(struct ebb_request *rq)
{
	struct io_uring_sqe *sqe = new_sqe(rq->loop, KIND_RECEIVE, rq, IORING_OP_RECV, rq->fd);

	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
}

static void ring_hangup(struct ebb_request *rq)
{
	struct io_uring_sqe *sqe = new_sqe(rq->loop, KIND_HANGUP, rq, IORING_OP_POLL_ADD, rq->fd);

	sqe->poll32_events = POLLRDHUP | POLLHUP | POLLERR;
}

static void ring_send(struct ebb_request *rq, const char *data, size_t size)
{
	struct io_uring_sqe *sqe = new_sqe(rq->loop, KIND_SEND, rq, IORING_OP_SEND, rq->fd);

	sqe->addr = (uintptr_t)data;
	sqe->len = size > INT32_MAX ? INT32_MAX : (uint32_t)size;
	sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
}

static void ring_watch(struct ebb *e, struct watch *w)
{
	struct io_uring_sqe *sqe = new_sqe(e, KIND_WATCH, w, IORING_OP_POLL_ADD, w->fd);

	sqe->poll32_events = w->events;
}

/* Nothing is to be done: shutdown(2) makes all operations on the connection complete. */
static void ring_forget(struct ebb_request *rq)
{
}

static int ring_open(struct ebb *e)
{
	struct io *io = calloc(1, sizeof(*io));
	int flags, r;

	if (!io)
		return -ENOMEM;
	io->fd = (int)env_number("EBB_RING_FD", -1);
	io->loop = e;
	io->accept_again = (struct ebb_timer){.on_due = on_accept_again, .ctx = io};
	e->io = io;
	r = read_params(&io->params);
	if (r == 0)
		r = map_all(io);
	if (r < 0)
		return r;
	flags = fcntl(e->listen_fd, F_GETFL);
	if (flags < 0 || fcntl(e->listen_fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	for (int i = 0; i < BUFFERS; i++)
		ring_give(e, i);
	accept_on(e);
	return 0;
}

/* Operations under way still use memory of the loop, so the ring is closed before it is freed. */
static void ring_close(struct ebb *e)
{
	if (e->io)
		close(e->io->fd);
	free(e->io);
}

/* ---- completions ---- */

static void on_accept(struct ebb *e, const struct io_uring_cqe *cqe)
{
	if (cqe->res >= 0)
		conn_accepted(e, cqe->res);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	if (cqe->res >= 0)
		accept_on(e);
	else /* descriptors may have run out: accept again a little later, not in a busy loop */
		(void)ebb_timer_set(e, &e->io->accept_again, ACCEPT_AGAIN_MS);
}

static void on_receive(struct ebb_request *rq, const struct io_uring_cqe *cqe)
{
	bool has = cqe->flags & IORING_CQE_F_BUFFER;

	if (cqe->res == -ENOBUFS) {
		conn_starved(rq);
	} else if (cqe->res == -EINTR || cqe->res == -EAGAIN) {
		ring_receive(rq);
	} else {
		conn_received(rq, has ? (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT) : -1,
			      cqe->res);
	}
}

static void on_sent(struct ebb_request *rq, const struct io_uring_cqe *cqe)
{
	conn_sent(rq, cqe->res == -EINTR || cqe->res == -EAGAIN ? 0 : cqe->res);
}

static void on_hangup(struct ebb_request *rq)
{
	rq->polling = false;
	conn_gone(rq);
}

static void on_cqe(struct ebb *e, const struct io_uring_cqe *cqe)
{
	void *owner = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)KIND_MASK);

	switch ((enum kind)(cqe->user_data & KIND_MASK)) {
	case KIND_ACCEPT:
		on_accept(e, cqe);
		break;
	case KIND_RECEIVE:
		on_receive(owner, cqe);
		break;
	case KIND_SEND:
		on_sent(owner, cqe);
		break;
	case KIND_HANGUP:
		on_hangup(owner);
		break;
	case KIND_WATCH:
		((struct watch *)owner)->on_ready(e, owner);
		break;
	}
}

/* After a freeze or a timeout the wait ends with EINTR, ETIME or without a completion. */
static int ring_turn(struct ebb *e, uint64_t timeout_ns)
{
	struct io *io = e->io;
	int r = enter(io, e->dead ? 0 : timeout_ns, !e->dead);

	if (r < 0 && r != -EINTR && r != -ETIME && r != -EBUSY && r != -EAGAIN)
		return r;
	for (;;) {
		struct io_uring_cqe cqe;

		if (io->cq_head ==
		    __atomic_load_n(word(io, io->params.cq_off.tail), __ATOMIC_ACQUIRE))
			return 0;
		cqe = io->cqes[io->cq_head & (io->params.cq_entries - 1)];
		__atomic_store_n(word(io, io->params.cq_off.head), ++io->cq_head, __ATOMIC_RELEASE);
		on_cqe(e, &cqe);
	}
}

const struct backend ring_backend = {
	.open = ring_open,
	.close = ring_close,
	.wait = ring_turn,
	.receive = ring_receive,
	.hangup = ring_hangup,
	.send = ring_send,
	.watch = ring_watch,
	.give = ring_give,
	.forget = ring_forget,
};
