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
#include "runtime/gateway/frames/h2_credit.h"
#include "runtime/gateway/frames/h2_lists.h"
#include "runtime/gateway/frames/h2_memory.h"
#include "runtime/gateway/frames/h2_out.h"
#include "runtime/http/h2_head.h"

/* Events of a stream that have to be worked on. */
enum h2_event {
	H2_NEW = 1,   /* its head is complete */
	H2_BYTES = 2, /* of its body */
	H2_END = 4,   /* of the request */
	H2_SENT = 8,  /* everything given to it */
	H2_GONE = 16, /* reset, by either side */
};

/* Beside a client that is carried, same index. */
struct h2_stream {
	struct h2_stream_links links; /* first; events: enum h2_event */
	uint32_t session;             /* + 1 */
	int32_t id;
	uint32_t next, prev; /* of the session's, client + 1 */
	uint32_t untaken;    /* bytes received whose window is not given back yet */
	uint16_t status;     /* of a refused head, and: */
	const char *why;
	bool submitted; /* a head of it is with nghttp2 */
	bool final_sent, deferred, end_sent, trailers_sent;
	bool over; /* nghttp2 has forgotten it */
};

/* A head that is arriving; there is one at a time (RFC 9113 section 4.3). */
struct h2_block {
	bool open, ignored; /* ignored: trailers */
	int32_t id;
	uint32_t buffer;
	uint64_t listed; /* bytes, as the peer counts them */
	struct h2_head head;
};

struct h2_session {
	struct h2_session_links links; /* first */
	struct h2_stream_lists lists;
	struct h2_arena arena;
	struct gateway *g;
	uint32_t client;  /* index */
	uint32_t streams; /* head of the list, client + 1 */
	uint32_t stream_count;
	bool failed, leaving, acknowledged;
	uint32_t requests;
	struct h2_credit credit;
	uint64_t begun_ns, quiet_ns, block_ns, stuck_ns;
	struct h2_block block;
	/* A piece of a body that found no room: input waits until there is. */
	struct {
		const uint8_t *at;
		uint32_t size;
		int32_t id;
		uint32_t eaten; /* of the input, with it */
	} held;
	struct h2_out out; /* broken: no GOAWAY can be sent either */
};

struct h2 {
	struct h2_session *sessions;
	uint32_t session_count, *free_sessions, free_count;
	struct h2_stream *streams; /* by client */
	char *memory;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	struct h2_due due;
};

static inline struct h2_session *h2_session_of(struct gateway *g, const struct h2_stream *t)
{
	return &g->h2->sessions[t->session - 1];
}
static inline struct client *h2_client(struct gateway *g, const struct h2_stream *t)
{
	return &g->clients[t - g->h2->streams];
}
static inline struct h2_table h2_stream_table(const struct h2 *h)
{
	return (struct h2_table){h->streams, sizeof(*h->streams)};
}
static inline struct h2_table h2_session_table(const struct h2 *h)
{
	return (struct h2_table){h->sessions, sizeof(*h->sessions)};
}
static inline uint32_t h2_stream_index(const struct h2_session *s, const struct h2_stream *t)
{
	return (uint32_t)(t - s->g->h2->streams);
}
static inline struct client *h2_carrier(struct h2_session *s)
{
	return &s->g->clients[s->client];
}

/* The stream of this id if an exchange still has it. */
static inline struct h2_stream *h2_stream_get(struct h2_session *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s->out.ng, id);
}
/* Something happened to a stream. */
static inline void h2_note(struct h2_session *s, struct h2_stream *t, enum h2_event event)
{
	h2_work_note(&s->lists, h2_stream_table(s->g->h2), h2_stream_index(s, t), (uint8_t)event);
}
/* There is something to send. */
static inline void h2_mark(struct h2_session *s)
{
	struct h2 *h = s->g->h2;

	h2_due_mark(&h->due, h2_session_table(h), (uint32_t)(s - h->sessions));
}

/* h2_session.c: nghttp2's callbacks */
int h2_callbacks_init(struct h2 *h);

/* h2_stream.c */
extern const struct stream_carrier h2_stream_carrier;
void h2_work(struct h2_session *s);
/* Joins a client to a stream. */
void h2_stream_open(struct h2_session *s, struct client *c, int32_t id);
/* Puts bytes of the body behind those that wait. False if there is no room. */
bool h2_stream_put(struct h2_session *s, struct h2_stream *t, const uint8_t *at, uint32_t size);
/* Every exchange of it ends. */
void h2_streams_end(struct h2_session *s);

/* h2_output.c */
/* Sends a buffer of it. False: there is nothing, or it cannot be sent now. */
bool h2_gather(struct h2_session *s);
void h2_head_ready(struct h2_session *s, struct h2_stream *t);
int h2_send_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
		 nghttp2_data_source *source, void *self);
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
/* Before waiting: sends what streams have. */
void h2_flush(struct gateway *g);
bool h2_is_due(const struct gateway *g);
/* Those that waited for a buffer are due. */
void h2_retry(struct gateway *g);
uint32_t h2_open_sessions(const struct gateway *g);

#endif
