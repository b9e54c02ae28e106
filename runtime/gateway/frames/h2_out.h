/* SPDX-License-Identifier: Apache-2.0 */
/* The output of an HTTP/2 connection, gathered into a buffer at a time. */
#ifndef EBB_GATEWAY_H2_OUT_H
#define EBB_GATEWAY_H2_OUT_H

#include <nghttp2/nghttp2.h>

#include "runtime/gateway/ring/buffers.h"
#include "runtime/gateway/ring/stream.h"

#define NGHTTP2_FRAME_HEAD 9u

/* A buffer has room for these beside a request head of usual size. */
#define H2_STREAM_WINDOW 12288u
/* So that a slow stream never stands in the way of another. */
#define H2_SESSION_WINDOW (16u << 20)

struct h2_out {
	nghttp2_session *ng;
	struct chunk chunk;  /* being filled */
	const uint8_t *rest; /* of the last frame */
	uint32_t rest_size;
	bool hungry, full; /* no buffer to gather in; no room in it */
	bool broken;       /* nothing can be said any more */
};

/* Fills a buffer; next submits a head that waits, false if none did. False: nothing to send, or no
 * buffer for it. */
bool h2_out_fill(struct h2_out *o, struct buffers *b, bool (*next)(void *self), void *self);
/* How much of a body of so many bytes goes into the next frame. */
size_t h2_out_share(const struct h2_out *o, size_t size, size_t length);
/* A frame of a body. False: there is no room for it yet. */
bool h2_out_body(struct h2_out *o, const uint8_t *head, const void *at, size_t size);

#endif
