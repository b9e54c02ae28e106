/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One socket in the loop, of a client or of an instance.
 *
 * At most one receive and one send are under way; both complete whole or with an error. Receiving
 * is one shot: a stream that is not asked for more receives no more, and that is the whole
 * back-pressure. Multishot receive would save one entry per message and measured the same.
 *
 * A stream without a descriptor is carried: another stream stands for its socket and is shared by
 * many (HTTP/2). That one's owner puts bytes into `in` and takes them from `out` itself.
 *
 * Life cycle: stream_open; stream_close asks the kernel to give everything back; when
 * stream_settled the descriptor is closed and the slot may be used again. Closing a descriptor
 * under an armed receive would send no FIN and pin the socket.
 */
#ifndef EBB_GATEWAY_STREAM_H
#define EBB_GATEWAY_STREAM_H

#include "runtime/gateway/ring/buffers.h"
#include "runtime/gateway/ring/ring.h"

/* Bytes in a buffer, which belongs to the holder of the chunk; BUFFER_NONE: static or borrowed. */
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
	bool watched;                /* stream_watch */
	bool starved, listed;        /* see starved.h; listed is of the slot, not of this use */
	bool recv_waits, send_waits; /* for readiness, on a socket in non-blocking mode */
	bool nonblocking;
	bool carried, ended;    /* ended: carried, and nothing follows what is in `in`, but */
	struct chunk trailers;  /* of what ended: lines, up to and with the empty one */
	struct chunk in;        /* received, not yet consumed */
	struct chunk out, next; /* being sent, and behind it */
	const struct stream_carrier *carrier; /* if carried */
	void *carrier_self;
};

/* The carrier of streams that have no socket. */
struct stream_carrier {
	void (*wants)(void *self, struct stream *s); /* it asks for bytes: s->receiving */
	void (*has)(void *self, struct stream *s);   /* s->out is to be sent: s->sending */
	void (*done)(void *self, struct stream *s);  /* all was sent; nothing follows */
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
/* The same without a descriptor. */
void stream_open_carried(struct stream *s, const struct stream_carrier *carrier, void *carrier_self,
			 uint32_t index, enum ring_op first_op);
/* Asks for bytes, unless that is under way. */
void stream_recv(struct stream_io *io, struct stream *s);
/* Sends a chunk, behind a chunk that is under way; one chunk may wait, no more. Takes the buffer of
 * the chunk. */
void stream_send(struct stream_io *io, struct stream *s, struct chunk chunk);
/* Waits for POLLIN or POLLOUT; completes as the POLL op. */
void stream_poll(struct stream_io *io, struct stream *s, unsigned int events);
/* Watches a client's peer: sees its FIN or reset although nothing is read; completes as
 * RING_CLIENT_GONE. */
void stream_watch(struct stream_io *io, struct stream *s);
/* O_NONBLOCK, as splice(2) needs it; io_uring then no longer waits by itself, which this file
 * knows. */
void stream_set_nonblocking(struct stream *s, bool on);

enum stream_result {
	STREAM_NOTHING, /* go on waiting */
	STREAM_MORE,    /* s->in has new bytes; or everything is sent */
	STREAM_END,     /* of file */
	STREAM_FULL,    /* more than a buffer holds */
	STREAM_STARVED, /* no buffer was left: call stream_recv when there is one */
	STREAM_ERROR,   /* the socket is done for; *err says how */
};
/* Take the completion of a receive and of a send. */
enum stream_result stream_on_recv(struct stream_io *io, struct stream *s,
				  const struct ring_event *e, int *err);
enum stream_result stream_on_send(struct stream_io *io, struct stream *s,
				  const struct ring_event *e, int *err);

/* A carrier puts bytes behind those that wait; it leaves some large buffers for heads. False if
 * there is no room. */
bool stream_put(struct stream_io *io, struct stream *s, const void *at, uint32_t size,
		uint32_t spare);
/* Drops size bytes from the front of what was received. */
void stream_consume(struct stream_io *io, struct stream *s, uint32_t size);
/* Moves the received bytes into memory of the caller until more come, if they fit, so a peer that
 * sends little holds no buffer. At most half of BUFFER_SLACK. */
void stream_stash(struct stream_io *io, struct stream *s, char *to, uint32_t room);
/* Cancels the operations under way; the slot is free when stream_settled says so. */
void stream_close(struct stream_io *io, struct stream *s);
/* A completion came for a closing stream. */
void stream_on_late(struct stream_io *io, struct stream *s, const struct ring_event *e);
/* True once the descriptor is closed and nothing is owed. */
bool stream_settled(struct stream_io *io, struct stream *s);

#endif
