/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 without TLS, by prior knowledge (RFC 9113 section 3.3). A client whose first bytes are the
 * preface becomes a carrier (CLIENT_SESSION). It has a session of nghttp2, and each of its streams
 * is a client of its own, without a socket (stream.h), with one exchange. Queue, ticket, retry,
 * deadline, errors and cancellation are those of HTTP/1.1, because the code is the same.
 *
 * Rules: nghttp2 is called with no exchange on the stack, and its callbacks change no exchange. The
 * callbacks make notes, and h2_stream.c works through the notes afterwards. Output is gathered once
 * per round of the loop. Every queue is bounded: heads wait with their exchange, a body has one
 * buffer each way, and the window of the peer opens as the instance takes the bytes.
 */
#ifndef EBB_GATEWAY_H2_H
#define EBB_GATEWAY_H2_H

#include <nghttp2/nghttp2.h>

#include "runtime/gateway/client/client.h"
#include "runtime/gateway/client/request.h"
#include "runtime/gateway/frames/h2_conn.h"
#include "runtime/http/h2_head.h"

/* The stream of a carried client, at the same index as the client. */
struct h2_request {
	struct h2_stream stream; /* first member; deaf: status is set */
	uint16_t status;         /* 0, or the status that the head is refused with */
	const char *why;         /* static, for that status */
	bool submitted;          /* nghttp2 has a head of the answer */
	bool final_sent, trailers_sent;
};

struct h2_session {
	struct h2_conn conn; /* first member; out.broken: not even GOAWAY can be sent */
	struct gateway *g;
	struct h2_head head;                /* the head that is arriving; conn.block has its text */
	bool trailers;                      /* it is not a head but the fields behind a body */
	bool failed, leaving, acknowledged; /* acknowledged: our SETTINGS */
	uint32_t requests;
	uint64_t begun_ns, quiet_ns, block_ns, stuck_ns;
};

struct h2 {
	struct h2_side side;
	struct h2_request *requests; /* by index of the client */
};

static inline struct h2_session *h2_session_of(const struct h2_conn *c)
{
	return (struct h2_session *)(uintptr_t)c;
}
static inline struct h2_request *h2_request_of(const struct h2_stream *t)
{
	return (struct h2_request *)(uintptr_t)t;
}
/* h2_client: the client of a stream. h2_carrier: the client that has the connection. */
static inline struct client *h2_client(const struct h2_request *t)
{
	return container_of(t->stream.socket, struct client, s);
}
static inline struct client *h2_carrier(const struct h2_session *s)
{
	return container_of(s->conn.socket, struct client, s);
}
/* The session of a client in CLIENT_SESSION. */
static inline struct h2_session *h2_of(const struct gateway *g, const struct client *c)
{
	return (struct h2_session *)(void *)g->h2->side.conns + c->session;
}

/* h2_session.c: nghttp2's callbacks */
int h2_callbacks_init(struct h2 *h);

/* h2_stream.c */
extern const struct stream_carrier h2_stream_carrier;
/* For struct h2_user: something happened to a request. */
void h2_work_on(struct h2_conn *c, struct h2_stream *stream, uint8_t events);
/* Joins a client to a stream. */
void h2_request_open(struct h2_session *s, struct client *c, int32_t id);
/* Ends every exchange of the session. */
void h2_streams_end(struct h2_session *s);

/* h2_output.c */
/* Sends a buffer of the session. False: there is nothing to send, or it cannot be sent now. */
bool h2_gather(struct h2_session *s);
/* A head of t is in s.out: puts it in line, unless nghttp2 still has one of t. */
void h2_head_ready(struct h2_request *t);
/* For struct h2_user, and a callback of nghttp2. */
const void *h2_body(const struct h2_stream *stream);
void h2_wrote(struct h2_stream *stream, size_t size);
int h2_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *self);

/* h2_limits.c */
enum h2_expiry {
	H2_IN_TIME,
	H2_OVER,    /* it ends now: it was told, or does not read */
	H2_LEAVES,  /* it was idle for long enough: GOAWAY */
	H2_TOO_LATE /* it is too late with something; *code goes into GOAWAY */
};
/* Looks at the deadlines of the session. */
enum h2_expiry h2_expired(struct h2_session *s, uint32_t *code);
void h2_set_deadline(struct h2_session *s);
/* Asks the peer for no new streams, and takes those that it opens all the same. */
void h2_retire(struct gateway *g, struct client *c);
/* Takes no new streams (GOAWAY); the connection ends when it has no stream. */
void h2_drain(struct gateway *g, struct client *c);

/* h2.c */
/* 0 or -ENOMEM. */
int h2_init(struct gateway *g);
uint32_t h2_open_sessions(const struct gateway *g);

#endif
