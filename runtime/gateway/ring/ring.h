/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of one gateway: one io_uring (io_uring(7)), made by root and inherited, because an
 * unprivileged process may not be allowed to make one. IORING_SETUP_SINGLE_ISSUER and DEFER_TASKRUN
 * are set: operations complete only inside our own io_uring_enter(2), which is called once per
 * batch.
 *
 * user_data is op (8 bits), index (24), life (32), and never a pointer. A completion for a slot
 * that was reused meanwhile is recognised by its life and dropped.
 */
#ifndef EBB_GATEWAY_RING_H
#define EBB_GATEWAY_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

enum ring_op {
	RING_IGNORE, /* nobody waits for it: cancellations, changed timeouts, wake-ups */
	RING_ACCEPT,
	RING_BOUND_ACCEPT, /* a binding's */
	RING_CONTROL,
	RING_CONTROL_OUT,
	RING_SIGNAL,
	RING_TIMER,
	RING_CLIENT_RECV, /* stream.c counts on this order, and on that of UP_RECV to UP_POLL */
	RING_CLIENT_SEND,
	RING_CLIENT_POLL,
	RING_CLIENT_GONE,
	RING_UP_RECV,
	RING_UP_SEND,
	RING_UP_POLL,
	RING_UP_CONNECT,
	RING_UP_LOOK,
	RING_OP_COUNT,
};

struct ring_event {
	uint32_t index, life;
	int res;
	uint32_t flags;
};

typedef void (*ring_handler)(void *self, const struct ring_event *event);

#define RING_CLOSES_MAX 64

struct ring {
	struct io_uring uring;
	const ring_handler *handlers; /* RING_OP_COUNT of them; borrowed */
	void (*before_wait)(void *self);
	void *self;
	uint64_t now_ns; /* CLOCK_MONOTONIC at the start of this batch */
	uint64_t enters;
	int closes[RING_CLOSES_MAX]; /* descriptors to be closed, in a circle; owned */
	uint32_t close_first, close_count;
	bool stop;
};

/* Maps the inherited ring; params is its struct io_uring_params. 0 or -errno. */
int ring_init(struct ring *l, int ring_fd, const void *params);
/* Lets the ring run; from now on this thread is its only issuer. 0 or -errno. */
int ring_enable(struct ring *l);
/* Runs the loop until l->stop; blocks. 0 or -errno. */
int ring_run(struct ring *l);
/* A submission entry whose completion comes back as (op, index, life). The caller prepares it
 * (io_uring_prep_*), which leaves user_data as it is. A full queue is submitted first. Never
 * NULL. */
struct io_uring_sqe *ring_sqe(struct ring *l, enum ring_op op, uint32_t index, uint32_t life);
/* Closes fd behind all other entries of this turn, a few descriptors in each turn: the end of a TCP
 * connection takes the kernel 10 to 20 us, and requests would wait for the ends of a hundred
 * others. Takes fd over. */
void ring_close(struct ring *l, int fd);
/* Room for count entries that must be submitted together (linked ones). */
void ring_reserve(struct ring *l, unsigned int count);
/* Submits all entries, and lets them go as far as they can without waiting. Their completions come
 * as ever. */
void ring_submit_now(struct ring *l);
uint64_t ring_user_data(enum ring_op op, uint32_t index, uint32_t life);

#endif
