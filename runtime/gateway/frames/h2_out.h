/* SPDX-License-Identifier: Apache-2.0 */
/* The output of an HTTP/2 connection, gathered into a buffer at a time. */
#ifndef EBB_GATEWAY_H2_OUT_H
#define EBB_GATEWAY_H2_OUT_H

#include <nghttp2/nghttp2.h>

#include "runtime/gateway/ring/buffers.h"
#include "runtime/gateway/ring/stream.h"

#define NGHTTP2_FRAME_HEAD 9u

/* The window of a stream, in bytes: one buffer holds them behind a request head of usual size. */
#define H2_STREAM_WINDOW 12288u
/* The window of a stream whose receiver has kept pace, while few streams have one; the bytes of one
 * window fit into a large buffer. */
#define H2_WIDE_WINDOW 65535u
/* The window of a connection, in bytes: so large that a slow stream does not stop the others. */
#define H2_SESSION_WINDOW (16u << 20)

struct h2_out {
	nghttp2_session *ng;
	struct chunk chunk;  /* being filled */
	const uint8_t *rest; /* unwritten rest of the last frame, in the memory of nghttp2 */
	uint32_t rest_size;
	bool hungry, full; /* no buffer was free; the buffer has no room */
	bool broken;       /* nothing can be sent any more */
};

/* Fills a buffer with frames. next submits a head that waits, and returns false if none does.
 * False: there is nothing to send, or no buffer for it. */
bool h2_out_fill(struct h2_out *o, struct buffers *b, bool (*next)(void *self), void *self);
/* How many of size bytes of a body go into the next frame; nghttp2 allows length bytes. */
size_t h2_out_share(const struct h2_out *o, size_t size, size_t length);
/* Adds a frame of a body. head: its NGHTTP2_FRAME_HEAD bytes. False: there is no room for it yet.
 */
bool h2_out_body(struct h2_out *o, const uint8_t *head, const void *at, size_t size);

#endif
