/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long bodies of known length move inside the kernel: socket -> pipe -> socket with splice(2), a
 * third of the CPU of copying. Readiness comes from the ring (POLL_ADD); IORING_OP_SPLICE would go
 * through worker threads. Pipes are few and made at start, because a user may own only so many
 * pages of them; without a free one the body is copied.
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
	SPLICE_WAITS,     /* for its source: a poll is under way */
	SPLICE_SINK_FULL, /* the same, for its sink */
	SPLICE_DONE,      /* all of it went through; both are as before */
	SPLICE_ENDED,     /* the source, too early */
	SPLICE_FAILED,    /* the source */
	SPLICE_SINK_FAILED,
};

int pipes_init(struct pipes *p); /* 0 or -errno */
/* Gives f a pipe and waits for src. False: there is none, or a stream is busy otherwise. */
bool splice_begin(struct pipes *p, struct stream_io *io, struct flow *f, struct stream *src,
		  struct stream *dst);
/* Moves what can be moved. *moved: bytes that reached dst. */
enum splice_result splice_pump(struct pipes *p, struct stream_io *io, struct flow *f,
			       struct stream *src, struct stream *dst, uint64_t *moved);
/* Gives the pipe back, emptied, if f has one. */
void splice_end(struct pipes *p, struct flow *f);

#endif
