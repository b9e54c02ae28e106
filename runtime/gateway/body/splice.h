/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long bodies of known length move inside the kernel: socket -> pipe -> socket with splice(2), for
 * a third of the CPU of copying. The ring says when a socket is ready (POLL_ADD), because
 * IORING_OP_SPLICE would go through worker threads. There are few pipes, all made at start, because
 * one user may own only so many pages of pipes (pipe(7)). While no pipe is free, a body is copied.
 */
#ifndef EBB_GATEWAY_SPLICE_H
#define EBB_GATEWAY_SPLICE_H

#include "runtime/gateway/body/flow.h"

#define PIPES_MAX 64

struct pipe_pair {
	int ends[2];
};

struct pipes {
	struct pipe_pair at[PIPES_MAX];
	uint32_t free[PIPES_MAX], free_count;
};

enum splice_result {
	SPLICE_WAITS,     /* for bytes of the source: a poll is under way */
	SPLICE_SINK_FULL, /* for room in the sink: a poll is under way */
	SPLICE_DONE,      /* all went through, and the pipe and O_NONBLOCK are given up */
	SPLICE_ENDED,     /* the source ended too early */
	SPLICE_FAILED,    /* reading from the source failed */
	SPLICE_SINK_FAILED,
};

int pipes_init(struct pipes *p); /* 0 or -errno */
/* Gives f a pipe and waits for src to be readable. False: no pipe is free, or one of the streams
 * has a receive or a poll under way. */
bool splice_begin(struct pipes *p, struct stream_io *io, struct flow *f, struct stream *src,
		  struct stream *dst);
/* Moves as much as can be moved now, and waits by a poll for more. *moved: bytes that reached dst.
 */
enum splice_result splice_pump(struct pipes *p, struct stream_io *io, struct flow *f,
			       struct stream *src, struct stream *dst, uint64_t *moved);
/* Empties the pipe of f and gives it back, if f has one. */
void splice_end(struct pipes *p, struct flow *f);

#endif
