/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body on its way from one stream to another. Chunked bodies are decoded, checked and framed
 * anew, in place. Chunk extensions are dropped, and so are trailers that the receiver did not ask
 * for.
 */
#ifndef EBB_GATEWAY_FLOW_H
#define EBB_GATEWAY_FLOW_H

#include "runtime/gateway/ring/stream.h"
#include "runtime/http/head.h"

/* in_done: all of the body was received. done: all of it was given to the sink too. */
struct flow {
	enum http_framing in, out;
	uint64_t left; /* in == HTTP_LENGTH: bytes not yet received */
	uint64_t max;  /* bytes that may still come; more is -EFBIG */
	struct http_chunked chunks;
	bool in_done, done;
	bool end_framed;       /* the last chunk was framed together with the last bytes */
	struct chunk trailers; /* the lines as received, if trailers are kept */
	uint32_t pipe;         /* number of its pipe + 1 while the body is spliced; 0 = none */
	uint32_t in_pipe;      /* bytes */
	uint64_t bytes;        /* of the body so far, without framing */
};

/* Begins a body. in and out: its framing as received and as sent; bytes: the content length, where
 * in is HTTP_LENGTH. */
void flow_init(struct flow *f, enum http_framing in, enum http_framing out, uint64_t bytes);
/* Gives the buffer of the trailers back, and keeps none from now on. */
static inline void flow_fini(struct stream_io *io, struct flow *f)
{
	f->chunks.keep_trailers = false;
	if (f->trailers.buffer == BUFFER_NONE)
		return;
	buffers_put(io->buffers, f->trailers.buffer);
	f->trailers = (struct chunk){.buffer = BUFFER_NONE};
}
/* Takes the bytes that s received as the next piece of the body and frames them for the other side;
 * the caller then owns the buffer of *out, which may be empty. Bytes behind the end of the body
 * stay in s. 0, -EBADMSG for wrong framing, -EFBIG for more bytes than max, -ENOBUFS. */
int flow_take(struct stream_io *io, struct flow *f, struct stream *s, struct chunk *out);
/* The carrier of s said that nothing follows: takes the trailers behind the body, if they are kept.
 */
void flow_take_end(struct flow *f, struct stream *s);
/* The last chunk of a chunked body, with the kept trailers. The caller owns the buffer of the
 * chunk. */
struct chunk flow_last_piece(struct stream_io *io, struct flow *f);

#endif
