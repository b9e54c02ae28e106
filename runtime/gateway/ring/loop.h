/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of one gateway: one io_uring (io_uring(7)), made by root and inherited, because an
 * unprivileged process may not be allowed to make one. SINGLE_ISSUER | DEFER_TASKRUN: nothing
 * progresses but in our own io_uring_enter(2), and there is one of those per batch.
 *
 * user_data is op (8 bits), index (24), life (32), never a pointer: a completion for a slot that
 * was reused meanwhile is recognised by its life and dropped.
 */
#ifndef EBB_GATEWAY_LOOP_H
#define EBB_GATEWAY_LOOP_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

enum loop_op {
	LOOP_IGNORE, /* cancellations: nobody waits for their completion */
	LOOP_ACCEPT,
	LOOP_CONTROL,
	LOOP_CONTROL_OUT,
	LOOP_SIGNAL,
	LOOP_TIMER,
	LOOP_CLIENT_RECV, /* these four in this order, see stream.c */
	LOOP_CLIENT_SEND,
	LOOP_CLIENT_POLL,
	LOOP_CLIENT_GONE,
	LOOP_UP_RECV,
	LOOP_UP_SEND,
	LOOP_UP_POLL,
	LOOP_UP_CONNECT,
	LOOP_UP_LOOK,
	LOOP_OP_COUNT,
};

struct loop_event {
	uint32_t index, life;
	int res;
	uint32_t flags;
};

typedef void (*loop_handler)(void *self, const struct loop_event *event);

struct loop {
	struct io_uring ring;
	const loop_handler *handlers; /* LOOP_OP_COUNT of them */
	void (*before_wait)(void *self);
	void *self;
	uint64_t now_ns; /* CLOCK_MONOTONIC at the start of this batch */
	uint64_t enters;
	bool stop;
};

/* Maps the inherited ring; params is its struct io_uring_params. 0 or -errno. */
int loop_init(struct loop *l, int ring_fd, const void *params);
/* Lets the ring run; from now on this thread is its only issuer. 0 or -errno. */
int loop_enable(struct loop *l);
/* Until l->stop. 0 or -errno. */
int loop_run(struct loop *l);
/* A submission entry whose completion comes back as (op, index, life). Never NULL. */
struct io_uring_sqe *loop_sqe(struct loop *l, enum loop_op op, uint32_t index, uint32_t life);
/* Room for count entries that must be submitted together (linked ones). */
void loop_reserve(struct loop *l, unsigned int count);
uint64_t loop_user_data(enum loop_op op, uint32_t index, uint32_t life);

#endif
