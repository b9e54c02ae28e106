/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 without TLS, by prior knowledge (RFC 9113 section 3.3). A client whose first bytes are the
 * preface becomes a carrier (CLIENT_SESSION): it has a session of nghttp2, and each of its streams
 * is a client of its own without a socket (stream.h), with one exchange: queue, ticket, retry,
 * deadline, errors and cancellation are those of HTTP/1.1, because they are the same code.
 *
 * Rules: nghttp2 is called with no exchange on the stack, and its callbacks change no exchange:
 * they make notes, and h2_stream.c works through those afterwards. Output is gathered once per
 * round of the loop. Every queue is bounded: heads wait with their exchange, a body has one buffer
 * each way, and the peer's window is opened as the instance takes its bytes.
 */
#ifndef EBB_GATEWAY_H2_H
#define EBB_GATEWAY_H2_H

#include <nghttp2/nghttp2.h>

#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/request.h"
#include "runtime/gateway/frames/h2_conn.h"
#include "runtime/http/h2_head.h"

/* Beside a client that is carried, same index. */
struct h2_request {
	struct h2_stream stream; /* first; deaf: status is set */
	uint16_t status;         /* of a refused head, and: */
	const char *why;
	bool submitted; /* a head of it is with nghttp2 */
	bool final_sent, trailers_sent;
};

struct h2_session {
	struct h2_conn conn; /* first; out.broken: no GOAWAY can be sent either */
	struct gateway *g;
	struct h2_head head; /* that is arriving: conn.block has its text */
	bool failed, leaving, acknowledged;
	uint32_t requests;
	uint64_t begun_ns, quiet_ns, block_ns, stuck_ns;
};

struct h2 {
	struct h2_side side;
	struct h2_request *requests; /* by client */
};

static inline struct h2_session *h2_session_of(const struct h2_conn *c)
{
	return (struct h2_session *)(uintptr_t)c;
}
static inline struct h2_request *h2_request_of(const struct h2_stream *t)
{
	return (struct h2_request *)(uintptr_t)t;
}
/* The client whose bytes a stream carries; and the one whose connection it is. */
static inline struct client *h2_client(const struct h2_request *t)
{
	return container_of(t->stream.socket, struct client, s);
}
static inline struct client *h2_carrier(const struct h2_session *s)
{
	return container_of(s->conn.socket, struct client, s);
}
/* Of a client in CLIENT_SESSION. */
static inline struct h2_session *h2_of(const struct gateway *g, const struct client *c)
{
	return (struct h2_session *)(void *)g->h2->side.conns + c->session;
}

/* h2_session.c: nghttp2's callbacks */
int h2_callbacks_init(struct h2 *h);

/* h2_stream.c */
extern const struct stream_carrier h2_stream_carrier;
/* h2_user: something happened to a request. */
void h2_work_on(struct h2_conn *c, struct h2_stream *stream, uint8_t events);
/* Joins a client to a stream. */
void h2_request_open(struct h2_session *s, struct client *c, int32_t id);
/* Every exchange of it ends. */
void h2_streams_end(struct h2_session *s);

/* h2_output.c */
/* Sends a buffer of it. False: there is nothing, or it cannot be sent now. */
bool h2_gather(struct h2_session *s);
void h2_head_ready(struct h2_request *t);
/* h2_user */
const void *h2_body(const struct h2_stream *stream);
void h2_wrote(struct h2_stream *stream, size_t size);
int h2_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *self);

/* h2_limits.c */
enum h2_expiry {
	H2_IN_TIME,
	H2_OVER,    /* it was told, or does not listen */
	H2_LEAVES,  /* it was idle for long enough */
	H2_TOO_LATE /* the code says with what */
};
/* Looks at the deadlines of the connection. */
enum h2_expiry h2_expired(struct h2_session *s, uint32_t *code);
void h2_set_deadline(struct h2_session *s);
/* No new streams; it ends when it has none. */
void h2_drain(struct gateway *g, struct client *c);

/* h2.c */
int h2_init(struct gateway *g);
uint32_t h2_open_sessions(const struct gateway *g);

#endif
