/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that speaks HTTP/2 and its streams, for both ends: h2/ serves clients,
 * upstream/h2up* asks instances. A side (struct h2_side) has all connections of one end, and their
 * memory.
 *
 * A connection has a socket of its own, and each stream has a carried one (stream.h). The records
 * of an end begin with struct h2_conn and struct h2_stream. The callbacks of nghttp2 only note
 * events of streams; h2_conn_work then has the end work on them, with no callback on the stack.
 */
#ifndef EBB_GATEWAY_H2_CONN_H
#define EBB_GATEWAY_H2_CONN_H

#include "runtime/base/chain.h"
#include "runtime/gateway/frames/h2_credit.h"
#include "runtime/gateway/frames/h2_memory.h"
#include "runtime/gateway/frames/h2_out.h"
#include "runtime/http/head.h"

/* Events of a stream that the end has yet to work on. */
enum h2_event {
	H2_NEW = 1,   /* its head is complete */
	H2_BYTES = 2, /* bytes of its body came */
	H2_END = 4,   /* its peer has ended it */
	H2_SENT = 8,  /* everything given to the stream was sent */
	H2_GONE = 16, /* reset, by either side */
};

struct h2_stream {
	struct h2_conn *conn; /* NULL: the record is not in use */
	struct stream *socket;
	struct chain of_conn, in_work, in_heads;
	uint8_t events;   /* enum h2_event */
	bool wide;        /* has the wide window */
	uint16_t taken;   /* bytes that its owner took, counted up to a window */
	int32_t id;       /* 0: its head was not submitted yet */
	uint32_t untaken; /* received bytes whose window the peer does not have back yet */
	bool deaf;        /* its body is read and dropped */
	bool deferred, end_sent;
	bool over; /* nghttp2 has forgotten it */
};

/* A head that is arriving. A connection has one at a time (RFC 9113 section 4.3). */
struct h2_block {
	bool open, ignored;
	int32_t id;
	uint64_t listed;   /* decoded bytes, as SETTINGS_MAX_HEADER_LIST_SIZE counts them */
	struct chunk text; /* size: the bytes used so far */
};

struct h2_conn {
	struct h2_side *side;
	struct stream *socket;
	struct chain in_due, in_waiting; /* links of the side */
	struct chain streams, work, heads;
	uint32_t stream_count;
	struct h2_arena arena;
	struct h2_credit credit;
	struct h2_block block;
	/* A piece of a body for which there was no room: no input is parsed until there is room. */
	struct {
		const uint8_t *at;
		uint32_t size;
		int32_t id;
		uint32_t eaten; /* bytes of input that end with this piece */
	} held;
	struct h2_out out;
};

/* The functions of the end that a connection belongs to. */
struct h2_user {
	/* Works on the events of t, which may end t. */
	void (*work)(struct h2_conn *c, struct h2_stream *t, uint8_t events);
	/* Sends everything that can be sent. */
	void (*flush)(struct h2_conn *c);
	/* body: the next bytes of a body. wrote: so many of them were written into a frame. */
	const void *(*body)(const struct h2_stream *t);
	void (*wrote)(struct h2_stream *t, size_t size);
};

struct h2_side {
	const struct h2_user *user;
	struct stream_io *io;
	void *self;               /* for the end to use */
	uint64_t *held, *refused; /* counters: held pieces; refused allocations */
	char *conns, *memory;
	size_t conn_size;
	uint32_t conn_count, *free, free_count, arena_bytes;
	uint32_t wide_count, wide_max; /* streams with a wide window */
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	struct chain due, waiting; /* with something to send; without a buffer */
};

/* Makes the connections of one end, for a share of all sockets. conn_size: bytes of its records;
 * streams: at most on each connection. user, io and the counters are set before. 0 or -ENOMEM. */
int h2_side_init(struct h2_side *side, uint32_t sockets, size_t conn_size, uint32_t streams);
/* Call both before the loop waits. Retry makes the connections due that waited for a buffer; flush
 * flushes each connection that is due. */
void h2_side_retry(struct h2_side *side);
void h2_side_flush(struct h2_side *side);
static inline bool h2_side_is_due(const struct h2_side *side)
{
	return !chain_is_empty(&side->due);
}

/* A free record, zeroed and with memory of its own; *index is its number. NULL: none is left. */
struct h2_conn *h2_conn_begin(struct h2_side *side, struct stream *socket, uint32_t *index);
/* Submits SETTINGS and the window of the connection; call it after nghttp2_session_*_new. 0 or
 * -ENOMEM. */
int h2_conn_greet(struct h2_conn *c, const nghttp2_settings_entry *settings, size_t count);
/* Gives the record back; its streams have ended before. */
void h2_conn_end(struct h2_conn *c);
/* Marks c: it has something to send. */
static inline void h2_mark(struct h2_conn *c)
{
	if (!chain_is_linked(&c->in_due))
		chain_add_last(&c->side->due, &c->in_due);
}
/* Gives nghttp2 the received bytes as long as there is room, and works on the events, until *stop.
 * 0, or an error of nghttp2: FLOODED and CALLBACK_FAILURE mean a flood. */
int h2_conn_parse(struct h2_conn *c, const bool *stop);
/* Works on all noted events. */
void h2_conn_work(struct h2_conn *c);
/* Fills a buffer and sends it; next: as for h2_out_fill, with c as self. False: nothing to send, or
 * not now. */
bool h2_conn_gather(struct h2_conn *c, bool (*next)(void *self));

/* Begins a stream on c; socket must be carried. id 0: not known yet. */
void h2_stream_begin(struct h2_conn *c, struct h2_stream *t, struct stream *socket, int32_t id);
/* Takes t out of all lists and frees the record. */
void h2_stream_end(struct h2_stream *t);
/* The stream with this id. NULL: no exchange has it any more. */
static inline struct h2_stream *h2_stream_get(struct h2_conn *c, int32_t id)
{
	return id ? nghttp2_session_get_stream_user_data(c->out.ng, id) : NULL;
}
/* Notes an event of t for h2_conn_work. */
static inline void h2_note(struct h2_stream *t, enum h2_event event)
{
	t->events |= (uint8_t)event;
	if (!chain_is_linked(&t->in_work))
		chain_add_last(&t->conn->work, &t->in_work);
}
/* Puts the head that t has to send in line. */
static inline void h2_head_waits(struct h2_stream *t)
{
	if (!chain_is_linked(&t->in_heads))
		chain_add_last(&t->conn->heads, &t->in_heads);
}
/* Takes the first head out of the line. NULL: none waits. */
struct h2_stream *h2_head_next(struct h2_conn *c);
/* The owner of t took bytes: gives the peer that much window back. */
void h2_stream_took(struct h2_stream *t);
/* t has more to send: nghttp2 asks for its body again. */
void h2_stream_resume(struct h2_stream *t);
/* Everything in socket->out was sent or is with nghttp2. True if nothing waits behind it. */
bool h2_stream_sent(struct h2_stream *t);

/* A head begins to arrive. ignored: its fields are only counted. False: no buffer is free. */
bool h2_block_begin(struct h2_conn *c, int32_t id, bool ignored);
/* Counts a field with so many bytes of name and value. False: this is no head but an attack on the
 * decoder. */
bool h2_block_count(struct h2_conn *c, size_t name, size_t value, uint32_t head_max);
/* Bytes that fit into the buffer at hand. */
uint32_t h2_block_room(const struct h2_conn *c);
/* Moves the text into a larger buffer. False: there is none. */
bool h2_block_grow(struct h2_conn *c);
/* Add bytes, or a line for a field, to the text, in a larger buffer if need be. False: there is no
 * room for it within head_max bytes. */
bool h2_block_add(struct h2_conn *c, const char *at, size_t size, uint32_t head_max);
bool h2_block_field(struct h2_conn *c, struct http_slice name, struct http_slice value,
		    uint32_t head_max);
/* The text is whole, and is the trailers of this stream. */
void h2_block_trailers(struct h2_conn *c, struct stream *to, uint32_t head_max);
/* Drops the text; further fields are only counted. */
void h2_block_drop(struct h2_conn *c);
/* nghttp2 will not tell the end of the head of this stream: drops that head. */
void h2_block_lost(struct h2_conn *c, int32_t id);

/* Callbacks of nghttp2 that both ends share; self is the connection. */
int h2_on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *self);
int h2_on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
	       void *self);
int h2_send_body(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
		 nghttp2_data_source *source, void *self);
/* Charges a cost beside that of frames. Returns what a callback of nghttp2 returns. */
int h2_conn_charge(struct h2_conn *c, int64_t cost);

#endif
