/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body on its way from one stream to another. Chunked bodies are decoded, checked and framed
 * anew, in place; extensions end here, and so do trailers that nobody asked for.
 */
#ifndef EBB_GATEWAY_FLOW_H
#define EBB_GATEWAY_FLOW_H

#include "runtime/gateway/ring/stream.h"
#include "runtime/http/head.h"

/* in_done: all of it was received; done: and sent. */
struct flow {
	enum http_framing in, out;
	uint64_t left; /* in == HTTP_LENGTH: bytes not yet received */
	uint64_t max;  /* bytes it may still have */
	struct http_chunked chunks;
	bool in_done, done;
	bool end_framed;       /* the last chunk went with the last bytes */
	struct chunk trailers; /* as received, if they are kept */
	uint32_t pipe;         /* pipe + 1 while spliced */
	uint32_t in_pipe;      /* bytes */
	uint64_t bytes;        /* of the body so far, without framing */
};

/* bytes: the content length, where in is HTTP_LENGTH. */
void flow_init(struct flow *f, enum http_framing in, enum http_framing out, uint64_t bytes);
/* Gives back what it kept. */
void flow_fini(struct stream_io *io, struct flow *f);
/* Takes what s received as the next piece of the body, framed for the other side. 0, -EBADMSG for
 * wrong framing, -EFBIG, -ENOBUFS. The chunk may be empty. */
int flow_take(struct stream_io *io, struct flow *f, struct stream *s, struct chunk *out);
/* The carrier of s said that nothing follows: takes the trailers behind the body, if they are
 * wanted. */
void flow_take_end(struct flow *f, struct stream *s);
/* The end of a chunked body, with the trailers that may stand there. */
struct chunk flow_last_piece(struct stream_io *io, struct flow *f);

#endif
