/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket in the loop, of a client or of an instance.
 *
 * At most one receive and one send are under way; both complete whole or with an error. Receiving
 * is one shot: a stream that is not asked for more receives no more, and that is the whole
 * back-pressure. Multishot receive would save one entry per message and measured the same.
 *
 * A stream without a descriptor is carried: another stream, which many of them share, has the
 * socket (HTTP/2). The owner of that stream puts bytes into `in` and takes bytes from `out`.
 *
 * Life cycle: stream_open; stream_close asks the kernel to give everything back; when
 * stream_settled says so, the descriptor is closed and the slot may be used again. Closing a
 * descriptor under an armed receive would send no FIN and pin the socket.
 */
#ifndef EBB_GATEWAY_STREAM_H
#define EBB_GATEWAY_STREAM_H

#include "runtime/gateway/ring/buffers.h"
#include "runtime/gateway/ring/ring.h"

/* Bytes in a buffer, which the holder of the chunk owns. BUFFER_NONE: the bytes are static or
 * borrowed. */
struct chunk {
	char *at;
	uint32_t size, buffer;
};

struct stream {
	int fd;
	uint32_t index, life;
	enum ring_op first_op; /* RING_CLIENT_RECV or RING_UP_RECV */
	uint8_t pending;       /* submitted entries that still owe a completion */
	bool receiving, sending, polling, closing;
	bool watched;                /* a watch of the peer is under way, see stream_watch */
	bool starved, listed;        /* see starved.h; listed is of the slot, beyond this use */
	bool recv_waits, send_waits; /* a poll goes first, as the socket is non-blocking */
	bool nonblocking;
	bool carried, ended;    /* ended: its carrier will put nothing more into `in` */
	struct chunk trailers;  /* lines behind the ended body, with the empty one */
	struct chunk in;        /* received, not yet consumed */
	struct chunk out, next; /* being sent; the next one to send */
	const struct stream_carrier *carrier; /* if carried */
	void *carrier_self;
};

/* The functions of a carrier, for the streams that have no socket. */
struct stream_carrier {
	void (*wants)(void *self, struct stream *s); /* s asks for bytes: s->receiving */
	void (*has)(void *self, struct stream *s);   /* s->out is to be sent: s->sending */
	void (*done)(void *self, struct stream *s);  /* all of s was sent; nothing follows */
	void (*closed)(void *self, struct stream *s);
};

/* The ring and the memory; every stream function needs both. */
struct stream_io {
	struct ring *ring;
	struct buffers *buffers;
};

static inline uint64_t stream_now(const struct stream_io *io)
{
	return io->ring->now_ns;
}

/* Takes fd over. index and first_op name the stream in completions. */
void stream_open(struct stream *s, int fd, uint32_t index, enum ring_op first_op);
/* The same for a carried stream, without a descriptor. */
void stream_open_carried(struct stream *s, const struct stream_carrier *carrier, void *carrier_self,
			 uint32_t index, enum ring_op first_op);
/* Asks for bytes, unless a receive is under way. */
void stream_recv(struct stream_io *io, struct stream *s);
/* Sends a chunk, behind a chunk that is under way. One chunk may wait, no more. Takes the buffer of
 * the chunk over. */
void stream_send(struct stream_io *io, struct stream *s, struct chunk chunk);
/* Waits for POLLIN or POLLOUT once; completes as the POLL op. */
void stream_poll(struct stream_io *io, struct stream *s, unsigned int events);
/* Watches the peer of a client, so that its FIN or reset is seen although nothing is read;
 * completes as RING_CLIENT_GONE. */
void stream_watch(struct stream_io *io, struct stream *s);
/* Sets O_NONBLOCK, as splice(2) needs it. io_uring then returns -EAGAIN instead of waiting, and
 * stream.c polls first. */
void stream_set_nonblocking(struct stream *s, bool on);

enum stream_result {
	STREAM_NOTHING, /* go on waiting */
	STREAM_MORE,    /* s->in has new bytes; or everything is sent */
	STREAM_END,     /* the peer sends no more */
	STREAM_FULL,    /* more than a buffer holds */
	STREAM_STARVED, /* no buffer was left: call stream_recv when there is one */
	STREAM_ERROR,   /* the socket is of no use any more; *err: -errno */
};
/* Handle the completion of a receive and of a send. *err is written with STREAM_ERROR only. */
enum stream_result stream_on_recv(struct stream_io *io, struct stream *s,
				  const struct ring_event *e, int *err);
enum stream_result stream_on_send(struct stream_io *io, struct stream *s,
				  const struct ring_event *e, int *err);

/* A carrier puts bytes behind the waiting ones. The last `spare` large buffers are left for heads.
 * False if there is no room. */
bool stream_put(struct stream_io *io, struct stream *s, const void *at, uint32_t size,
		uint32_t spare);
/* Drops size bytes from the front of the received ones. */
void stream_consume(struct stream_io *io, struct stream *s, uint32_t size);
/* Moves the received bytes into memory of the caller until more come, if they fit, so that a peer
 * that sends little holds no buffer. room: at most half of BUFFER_SLACK. */
void stream_stash(struct stream_io *io, struct stream *s, char *to, uint32_t room);
/* Cancels the operations under way; the slot is free when stream_settled says so. */
void stream_close(struct stream_io *io, struct stream *s);
/* A completion came for a closing stream. */
void stream_on_late(struct stream_io *io, struct stream *s, const struct ring_event *e);
/* True once the descriptor is closed and nothing is owed. */
bool stream_settled(struct stream_io *io, struct stream *s);

#endif
