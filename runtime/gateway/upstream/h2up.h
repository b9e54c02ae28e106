/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 to instances (docs/notes/0064-http2-upstream.md). An upstream of such an instance has no
 * socket: a session of nghttp2 carries it beside others, on a connection of its own, which is an
 * upstream too. To the rest of the gateway it speaks HTTP/1.1: the session takes the request's text
 * apart as it is sent, so the text can be sent again to an instance that speaks HTTP/1.1. The
 * answer's head becomes text, which passes the same gate as any other. Bodies of answers end with
 * the stream.
 *
 * Rules, as in h2.h: nghttp2's callbacks change no exchange, they note; output is gathered once per
 * round of the loop; a body has one buffer each way. Bytes of the instance are always read; our
 * replies to them are bounded.
 *
 * Life cycle of a session: connecting, open, leaving (no new streams: GOAWAY came, or its time is
 * over), ending (GOAWAY is being sent, nobody is on it). It ends with its connection.
 */
#ifndef EBB_GATEWAY_H2UP_H
#define EBB_GATEWAY_H2UP_H

#include <nghttp2/nghttp2.h>

#include "runtime/gateway/frames/h2_conn.h"
#include "runtime/gateway/upstream/upstream.h"

#define H2UP_STREAMS_MAX 100u

/* Beside an upstream that is carried, same index. */
struct h2up_stream {
	struct h2_stream stream; /* first */
	bool opened;             /* its head was sent */
	bool head_came;          /* of the answer, the last one */
	bool gone;               /* that it will not be answered was noted: end says how */
	/* The body of the request, out of its text. */
	enum http_framing framing;
	bool body_ended;
	uint64_t body_left;
	struct http_chunked chunks;
	struct http_slice run; /* taken out of its piece, not sent yet */
	uint64_t sent_before;  /* bytes of the connection in front of its head */
	bool head;             /* asked with HEAD */
	struct upstream_end end;
	uint32_t code;   /* of a reset */
	const char *why; /* nghttp2's complaint about it */
};

/* Of the head that is arriving: conn.block has its text. */
struct h2up_head {
	bool trailers, interim, has_length, too_large, malformed;
	uint16_t status;
};

struct h2up_session {
	struct h2_conn conn; /* first; its streams are those of exchanges */
	struct upstreams *p;
	struct chain of_instance;
	/* Streams that were not sent yet; and those that the instance has, whose exchange may be
	 * gone. */
	uint32_t unsent, open;
	uint32_t pending; /* whose head is with nghttp2, upstream + 1 */
	bool busy;
	bool connected, greeted, settled, leaving, ending;
	uint64_t gathered; /* bytes given to the connection so far */
	struct h2up_head head;
};

struct h2up {
	struct h2_side side;
	struct h2up_stream *streams; /* by upstream */
};

static inline struct h2up_session *h2up_session_of(const struct h2_conn *c)
{
	return (struct h2up_session *)(uintptr_t)c;
}
static inline struct h2up_stream *h2up_stream_of(const struct h2_stream *t)
{
	return (struct h2up_stream *)(uintptr_t)t;
}
static inline struct upstream *h2up_connection(const struct h2up_session *s)
{
	return container_of(s->conn.socket, struct upstream, s);
}
static inline struct upstream *h2up_upstream(const struct h2up_stream *t)
{
	return container_of(t->stream.socket, struct upstream, s);
}
/* Of the connection u. */
static inline struct h2up_session *h2up_of(const struct upstreams *p, const struct upstream *u)
{
	return (struct h2up_session *)(void *)p->h2up->side.conns + (u->session - 1);
}
/* NULL: it has ended. */
static inline struct instance *h2up_instance(const struct h2up_session *s)
{
	return upstream_instance(s->p, h2up_connection(s));
}
/* Something happened to a stream. */
static inline void h2up_note(struct h2up_stream *t, enum h2_event event)
{
	h2_note(&t->stream, event);
	h2_mark(t->stream.conn);
}

/* h2up.c: for the rest of upstream/ */
int h2up_init(struct upstreams *p);
struct upstream *h2up_attach(struct upstreams *p, const struct ask *ask, uint32_t owner,
			     struct instance *i);
/* Idle connections to it end; only_stale: those from before its last freeze. */
void h2up_empty(struct upstreams *p, struct instance *i, bool only_stale);
/* Nobody chooses them any more: its slot is another's soon. */
void h2up_instance_down(struct upstreams *p, struct instance *i);
void h2up_drain(struct upstreams *p);
/* Tells the instance that the request is over. False: it never heard of it. */
bool h2up_cancel(struct upstreams *p, struct upstream *u);
uint32_t h2up_open_sessions(const struct upstreams *p);

/* h2up_end.c */
/* GOAWAY, and the connection ends when that is sent. */
void h2up_farewell(struct h2up_session *s, uint32_t code);

/* h2up_input.c */
/* Gives nghttp2 what came. False: the session has failed, and may be gone. */
bool h2up_parse(struct h2up_session *s);
void h2up_on_connect(struct upstreams *p, struct upstream *u, int res);
void h2up_on_recv(struct upstreams *p, struct upstream *u, enum stream_result r, int err);

/* h2up.c */
extern const struct stream_carrier h2up_stream_carrier;
/* Streams it may have at a time. */
uint32_t h2up_limit(const struct h2up_session *s);
/* The last stream is gone: from now on its connection idles. */
void h2up_idles(struct h2up_session *s);
/* No stream is begun on it any more; it ends when it has none. */
void h2up_leave(struct h2up_session *s);
/* The connection is of no use: every stream ends so, then it. code: of the GOAWAY. */
void h2up_fail(struct h2up_session *s, uint32_t code, enum upstream_end_kind end, int err,
	       const char *why);

/* h2up_session.c: nghttp2's callbacks */
int h2up_callbacks_init(struct h2up *h);

/* h2up_stream.c */
void h2up_gone(struct h2up_session *s, struct h2up_stream *t, enum upstream_end_kind end,
	       const char *why);
/* h2_user: something happened to a stream. */
void h2up_work_on(struct h2_conn *c, struct h2_stream *stream, uint8_t events);
void h2up_on_pong(struct h2up_session *s, const uint8_t *opaque);
/* Streams that were not sent, beyond what it may have, go elsewhere; all of them if it leaves. */
void h2up_shed(struct h2up_session *s);
/* Joins an upstream to a session. */
void h2up_stream_open(struct h2up_session *s, struct upstream *u, const struct ask *ask);

/* h2up_output.c */
/* Sends a buffer of it. False: there is nothing, or it cannot be sent now. */
bool h2up_gather(struct h2up_session *s);
/* h2_user */
const void *h2up_body(const struct h2_stream *stream);
void h2up_wrote(struct h2_stream *stream, size_t size);
int h2up_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *self);
int h2up_on_frame_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *self);

#endif
