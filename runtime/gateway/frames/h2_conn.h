/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that speaks HTTP/2 and its streams, for both ends: h2/ serves clients, upstream/h2up
 * asks instances. A side (struct h2_side) has all connections of one end, and their memory.
 *
 * A connection has a socket (its own), and so has each stream (a carried one, see stream.h). The
 * records of an end begin with these two structures. nghttp2's callbacks note events of streams;
 * h2_conn_work has the end work on them, with no callback on the stack.
 */
#ifndef EBB_GATEWAY_H2_CONN_H
#define EBB_GATEWAY_H2_CONN_H

#include "runtime/base/chain.h"
#include "runtime/gateway/frames/h2_credit.h"
#include "runtime/gateway/frames/h2_memory.h"
#include "runtime/gateway/frames/h2_out.h"

/* Events of a stream that have to be worked on. */
enum h2_event {
	H2_NEW = 1,   /* its head is complete */
	H2_BYTES = 2, /* of its body */
	H2_END = 4,   /* nothing follows */
	H2_SENT = 8,  /* everything given to it */
	H2_GONE = 16, /* reset, by either side */
};

struct h2_stream {
	struct h2_conn *conn; /* NULL: the record is not in use */
	struct stream *socket;
	struct chain of_conn, in_work, in_heads;
	uint8_t events;   /* enum h2_event */
	int32_t id;       /* 0: its head was not submitted yet */
	uint32_t untaken; /* bytes received whose window is not given back yet */
	bool deaf;        /* its body is of no use */
	bool deferred, end_sent;
	bool over; /* nghttp2 has forgotten it */
};

/* A head that is arriving; there is one at a time (RFC 9113 section 4.3). */
struct h2_block {
	bool open, ignored;
	int32_t id;
	uint64_t listed;   /* bytes, as the peer counts them */
	struct chunk text; /* its size: bytes that are used */
};

struct h2_conn {
	struct h2_side *side;
	struct stream *socket;
	struct chain in_due, in_waiting; /* of the side */
	struct chain streams, work, heads;
	uint32_t stream_count;
	struct h2_arena arena;
	struct h2_credit credit;
	struct h2_block block;
	/* A piece of a body that found no room: input waits until there is. */
	struct {
		const uint8_t *at;
		uint32_t size;
		int32_t id;
		uint32_t eaten; /* of the input, with it */
	} held;
	struct h2_out out;
};

/* The end that a connection belongs to. */
struct h2_user {
	/* Something happened to t. It may be the last thing. */
	void (*work)(struct h2_conn *c, struct h2_stream *t, uint8_t events);
	/* Sends what there is. */
	void (*flush)(struct h2_conn *c);
	/* The next bytes of a body, and that so many of them were written. */
	const void *(*body)(const struct h2_stream *t);
	void (*wrote)(struct h2_stream *t, size_t size);
};

struct h2_side {
	const struct h2_user *user;
	struct stream_io *io;
	void *self;               /* the end's */
	uint64_t *held, *refused; /* counters: pieces that waited, memory that an arena had not */
	char *conns, *memory;
	size_t conn_size;
	uint32_t conn_count, *free, free_count, arena_bytes;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	struct chain due, waiting; /* with something to say; for a buffer */
};

/* Connections for a share of all sockets; streams: on each. user, io, self and the counters are set
 * before. 0 or -ENOMEM. */
int h2_side_init(struct h2_side *side, uint32_t sockets, size_t conn_size, uint32_t streams);
/* Before waiting: those that waited for a buffer are due; and each one that is due is flushed. */
void h2_side_retry(struct h2_side *side);
void h2_side_flush(struct h2_side *side);
static inline bool h2_side_is_due(const struct h2_side *side)
{
	return !chain_is_empty(&side->due);
}

/* A free record, zeroed and with memory of its own; *index is its number. NULL: none is left. */
struct h2_conn *h2_conn_begin(struct h2_side *side, struct stream *socket, uint32_t *index);
/* SETTINGS and the window of the connection, behind nghttp2_session_*_new. 0 or -ENOMEM. */
int h2_conn_greet(struct h2_conn *c, const nghttp2_settings_entry *settings, size_t count);
/* Its streams are gone already. */
void h2_conn_end(struct h2_conn *c);
/* There is something to send. */
static inline void h2_mark(struct h2_conn *c)
{
	if (!chain_is_linked(&c->in_due))
		chain_add_last(&c->side->due, &c->in_due);
}
/* Gives nghttp2 what came, as long as there is room, and works on what that brings, until *stop.
 * 0, or an error of nghttp2: FLOODED and CALLBACK_FAILURE mean a flood. */
int h2_conn_parse(struct h2_conn *c, const bool *stop);
void h2_conn_work(struct h2_conn *c);
/* Sends a buffer; next: as of h2_out_fill, self is c. False: nothing to send, or not now. */
bool h2_conn_gather(struct h2_conn *c, bool (*next)(void *self));

/* socket is carried. */
void h2_stream_begin(struct h2_conn *c, struct h2_stream *t, struct stream *socket, int32_t id);
/* Out of all lists. */
void h2_stream_end(struct h2_stream *t);
/* The stream of this id if an exchange still has it. */
static inline struct h2_stream *h2_stream_get(struct h2_conn *c, int32_t id)
{
	return id ? nghttp2_session_get_stream_user_data(c->out.ng, id) : NULL;
}
static inline void h2_note(struct h2_stream *t, enum h2_event event)
{
	t->events |= (uint8_t)event;
	if (!chain_is_linked(&t->in_work))
		chain_add_last(&t->conn->work, &t->in_work);
}
static inline void h2_head_waits(struct h2_stream *t)
{
	if (!chain_is_linked(&t->in_heads))
		chain_add_last(&t->conn->heads, &t->in_heads);
}
/* The first head that waits, taken out of the line; NULL. */
struct h2_stream *h2_head_next(struct h2_conn *c);
/* Bytes were taken: the peer may send as many again. */
void h2_stream_took(struct h2_stream *t);
/* There is more to send: nghttp2 asks for its body again. */
void h2_stream_resume(struct h2_stream *t);
/* Everything in socket->out is sent, or with nghttp2. True if nothing is behind it. */
bool h2_stream_sent(struct h2_stream *t);

/* A head arrives, which may have more bytes than one buffer. ignored: its fields are only counted.
 * False: there is no buffer. */
bool h2_block_begin(struct h2_conn *c, int32_t id, bool ignored);
/* Counts a field. False: this is no head but an attack on the decoder. */
bool h2_block_count(struct h2_conn *c, size_t name, size_t value, uint32_t head_max);
/* Bytes that fit into the buffer at hand. */
uint32_t h2_block_room(const struct h2_conn *c);
/* A larger buffer, with the text in it. False: there is none. */
bool h2_block_grow(struct h2_conn *c);
void h2_block_drop(struct h2_conn *c);
/* No end of it will be told, if it is of this stream. */
void h2_block_lost(struct h2_conn *c, int32_t id);

/* Callbacks that are the same at both ends; self is the connection. */
int h2_on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *self);
int h2_on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
	       void *self);
int h2_send_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
		 nghttp2_data_source *source, void *self);
/* A cost beside that of frames; as a callback returns it. */
int h2_conn_charge(struct h2_conn *c, int64_t cost);

#endif
