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

#include "runtime/gateway/frames/h2_credit.h"
#include "runtime/gateway/frames/h2_lists.h"
#include "runtime/gateway/frames/h2_memory.h"
#include "runtime/gateway/frames/h2_out.h"
#include "runtime/gateway/upstream/upstream.h"

#define H2UP_STREAMS_MAX 100u

enum h2up_event {
	H2UP_BYTES = 1, /* of the answer */
	H2UP_END = 2,
	H2UP_SENT = 4, /* everything given to it */
	H2UP_OVER = 8, /* it will not be answered: end says how */
};

/* Beside an upstream that is carried, same index. */
struct h2up_stream {
	struct h2_stream_links links; /* first; events: enum h2up_event */
	uint32_t session;             /* + 1; 0: none */
	int32_t id;                   /* 0: its head was not submitted yet */
	uint32_t next, prev;          /* of the session's, upstream + 1 */
	uint32_t untaken;             /* bytes received whose window is not given back yet */
	bool opened, deferred, end_sent, over;
	bool head_came; /* of the answer, the last one */
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

/* A head that is arriving; there is one at a time. */
struct h2up_block {
	bool open, ignored, trailers, interim;
	int32_t id;
	uint64_t listed;
	uint16_t status;
	bool has_length, too_large, malformed;
	struct chunk text;
};

struct h2up_session {
	struct h2_session_links links; /* first */
	struct h2_stream_lists lists;
	struct upstreams *p;
	struct h2_arena arena;
	uint32_t upstream;   /* index of its connection */
	uint32_t next, prev; /* of its instance's, session + 1 */
	uint32_t streams;    /* head of the list, upstream + 1 */
	/* Streams of exchanges; those of them that were not sent yet; and streams that the instance
	 * has, whose exchange may be gone. */
	uint32_t count, unsent, open;
	uint32_t pending; /* whose head is with nghttp2, upstream + 1 */
	bool listed, busy;
	bool connected, greeted, settled, leaving, ending;
	uint64_t gathered; /* bytes given to the connection so far */
	struct h2_credit credit;
	struct h2up_block block;
	struct {
		const uint8_t *at;
		uint32_t size;
		int32_t id;
		uint32_t eaten;
	} held;
	struct h2_out out;
};

struct h2up {
	struct h2up_session *sessions;
	uint32_t session_count, *free_sessions, free_count;
	struct h2up_stream *streams; /* by upstream */
	char *memory;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	struct h2_due due;
};

static inline struct upstream *h2up_connection(const struct h2up_session *s)
{
	return &s->p->slots[s->upstream];
}
static inline struct upstream *h2up_upstream(const struct h2up_session *s,
					     const struct h2up_stream *t)
{
	return &s->p->slots[t - s->p->h2up->streams];
}
static inline struct h2up_session *h2up_session_of(struct upstreams *p, const struct h2up_stream *t)
{
	return &p->h2up->sessions[t->session - 1];
}

static inline struct h2up_session *h2up_of(struct upstreams *p, const struct upstream *u)
{
	return &p->h2up->sessions[u->session - 1];
}
static inline struct h2_table h2up_stream_table(const struct h2up *h)
{
	return (struct h2_table){h->streams, sizeof(*h->streams)};
}
static inline struct h2_table h2up_session_table(const struct h2up *h)
{
	return (struct h2_table){h->sessions, sizeof(*h->sessions)};
}
static inline uint32_t h2up_stream_index(const struct h2up_session *s, const struct h2up_stream *t)
{
	return (uint32_t)(t - s->p->h2up->streams);
}
/* NULL: it has ended. */
static inline struct instance *h2up_instance(const struct h2up_session *s)
{
	return upstream_instance(s->p, h2up_connection(s));
}

/* The stream of this id, if an owner still has it. */
static inline struct h2up_stream *h2up_stream_get(struct h2up_session *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s->out.ng, id);
}
/* There is something to send. */
static inline void h2up_mark(struct h2up_session *s)
{
	struct h2up *h = s->p->h2up;

	h2_due_mark(&h->due, h2up_session_table(h), (uint32_t)(s - h->sessions));
}
/* Something happened to a stream. */
static inline void h2up_note(struct h2up_session *s, struct h2up_stream *t, enum h2up_event event)
{
	h2_work_note(&s->lists, h2up_stream_table(s->p->h2up), h2up_stream_index(s, t),
		     (uint8_t)event);
	h2up_mark(s);
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
/* Before waiting: sends what streams have. */
void h2up_flush(struct upstreams *p);
bool h2up_is_due(const struct upstreams *p);
/* Those that waited for a buffer are due. */
void h2up_retry(struct upstreams *p);
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
void h2up_work(struct h2up_session *s);
void h2up_on_pong(struct h2up_session *s, const uint8_t *opaque);
/* Streams that were not sent, beyond what it may have, go elsewhere; all of them if it leaves. */
void h2up_shed(struct h2up_session *s);
/* Joins an upstream to a session. */
void h2up_stream_open(struct h2up_session *s, struct upstream *u, const struct ask *ask);

/* h2up_output.c */
/* Sends a buffer of it. False: there is nothing, or it cannot be sent now. */
bool h2up_gather(struct h2up_session *s);
int h2up_send_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
		   nghttp2_data_source *source, void *self);
int h2up_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *self);
int h2up_on_frame_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *self);

#endif
