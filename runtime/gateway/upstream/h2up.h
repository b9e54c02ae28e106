/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 to instances (docs/notes/0064-http2-upstream.md). A request to such an instance goes out
 * on an upstream without a socket. A session of nghttp2 carries it beside others, on one
 * connection, which is an upstream too. To the rest of the gateway such an upstream speaks
 * HTTP/1.1. The session takes the text of the request apart as it is sent, so the same text can be
 * sent again to an instance that speaks HTTP/1.1. The head of the answer becomes text, which passes
 * the same gate as any other. The body of an answer ends with its stream.
 *
 * Rules, as in h2/h2.h: the callbacks of nghttp2 change no exchange, they note; output is gathered
 * once per round of the loop; a body has one buffer each way. Bytes of the instance are always
 * read; our replies to them are bounded.
 *
 * Life cycle of a session: connecting, open, leaving (no new streams: GOAWAY came, or its time is
 * over), ending (GOAWAY is being sent, and no stream is left). It ends with its connection.
 */
#ifndef EBB_GATEWAY_H2UP_H
#define EBB_GATEWAY_H2UP_H

#include <nghttp2/nghttp2.h>

#include "runtime/gateway/frames/h2_conn.h"
#include "runtime/gateway/upstream/upstream.h"

#define H2UP_STREAMS_MAX 100u

/* The stream of a carried upstream, at the same index as the upstream. */
struct h2up_stream {
	struct h2_stream stream; /* first */
	bool opened;             /* the head of the request was sent */
	bool head_came;          /* the final head of the answer came */
	bool gone;               /* it was noted that no answer will come; see end */
	/* The body of the request, as it is taken out of its text. */
	enum http_framing framing;
	bool body_ended;
	uint64_t body_left;
	struct http_chunked chunks;
	struct http_slice run;      /* body bytes taken out of their piece and not sent yet */
	struct http_slice trailers; /* lines in the last piece, until they are submitted */
	uint64_t sent_before;       /* bytes sent on the connection before the head */
	bool head;                  /* the method is HEAD */
	struct upstream_end end;
	uint32_t code;   /* error code of the reset by the instance */
	const char *why; /* complaint of nghttp2 about the answer, static; or NULL */
};

/* Facts of the head that is arriving; conn.block has its text. */
struct h2up_head {
	bool trailers, interim, has_length, too_large, malformed;
	uint16_t status;
};

struct h2up_session {
	struct h2_conn conn; /* first; its streams are those that exchanges have */
	struct upstreams *p;
	struct chain of_instance;
	/* unsent: streams whose head was not sent yet. open: streams that the instance has; their
	 * exchanges may be gone. */
	uint32_t unsent, open;
	uint32_t pending; /* upstream + 1 whose head nghttp2 has; 0 = none */
	bool busy;
	bool connected, greeted, settled, leaving, ending;
	uint64_t gathered; /* bytes given to the connection so far */
	struct h2up_head head;
};

struct h2up {
	struct h2_side side;
	struct h2up_stream *streams; /* by index of the upstream */
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
/* The session of the connection u. */
static inline struct h2up_session *h2up_of(const struct upstreams *p, const struct upstream *u)
{
	return (struct h2up_session *)(void *)p->h2up->side.conns + (u->session - 1);
}
/* The instance of the session. NULL: it has ended. */
static inline struct instance *h2up_instance(const struct h2up_session *s)
{
	return upstream_instance(s->p, h2up_connection(s));
}
/* Notes an event of a stream, and marks its connection. */
static inline void h2up_note(struct h2up_stream *t, enum h2_event event)
{
	h2_note(&t->stream, event);
	h2_mark(t->stream.conn);
}

/* h2up.c: for the rest of upstream/. 0 or -ENOMEM. */
int h2up_init(struct upstreams *p);
/* Sends the request as a stream. NULL: not possible now, the owner waits. */
struct upstream *h2up_attach(struct upstreams *p, const struct ask *ask, uint32_t owner,
			     struct instance *i);
/* Ends the idle connections to the instance. only_stale: those from before its last freeze. */
void h2up_empty(struct upstreams *p, struct instance *i, bool only_stale);
/* No stream begins on the sessions of this instance any more, because its slot is reused soon. */
void h2up_instance_down(struct upstreams *p, struct instance *i);
/* Idle connections end, and later ones as soon as they idle. */
void h2up_drain(struct upstreams *p);
/* h2up_stream.c: tells the instance that the request is over. False: it never heard of the request.
 */
bool h2up_cancel(struct upstreams *p, struct upstream *u);
uint32_t h2up_open_sessions(const struct upstreams *p);

/* h2up_end.c */
/* Sends GOAWAY with this code; the connection ends when that was sent. */
void h2up_farewell(struct h2up_session *s, uint32_t code);

/* h2up_input.c */
/* Gives nghttp2 the received bytes. False: the session has failed, and may be gone. */
bool h2up_parse(struct h2up_session *s);
void h2up_on_connect(struct upstreams *p, struct upstream *u, int res);
void h2up_on_recv(struct upstreams *p, struct upstream *u, enum stream_result r, int err);

/* h2up_stream.c */
extern const struct stream_carrier h2up_stream_carrier;
/* h2up_base.c: how many streams the session may have at a time. */
uint32_t h2up_limit(const struct h2up_session *s);
/* The last stream is gone: from now on the connection idles. */
void h2up_idles(struct h2up_session *s);
/* No stream begins on the session any more; it ends when it has none. */
void h2up_leave(struct h2up_session *s);
/* h2up_end.c: the connection is of no use. Every stream ends in this way, then the connection.
 * code: of the GOAWAY; err: -errno or 0; why: static, or NULL. */
void h2up_fail(struct h2up_session *s, uint32_t code, enum upstream_end_kind end, int err,
	       const char *why);

/* h2up_session.c: the callbacks of nghttp2 */
int h2up_callbacks_init(struct h2up *h);

/* h2up_base.c: notes that t will not be answered; its owner hears of it from h2up_work_on. */
void h2up_gone(struct h2up_session *s, struct h2up_stream *t, enum upstream_end_kind end,
	       const char *why);
/* h2up_stream.c, for struct h2_user: something happened to a stream. */
void h2up_work_on(struct h2_conn *c, struct h2_stream *stream, uint8_t events);
/* Our PING behind a cancelled stream came back: the instance knows of the end. */
void h2up_on_pong(struct h2up_session *s, const uint8_t *opaque);
/* h2up_base.c: unsent streams beyond h2up_limit go elsewhere; all unsent ones if the session
 * leaves. */
void h2up_shed(struct h2up_session *s);
/* h2up_stream.c: makes the upstream u a stream of the session. */
void h2up_stream_open(struct h2up_session *s, struct upstream *u, const struct ask *ask);

/* h2up_output.c */
/* Sends a buffer of the session. False: there is nothing, or it cannot be sent now. */
bool h2up_gather(struct h2up_session *s);
/* For struct h2_user, and callbacks of nghttp2. */
const void *h2up_body(const struct h2_stream *stream);
void h2up_wrote(struct h2_stream *stream, size_t size);
int h2up_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *self);
int h2up_on_frame_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *self);

#endif
