// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/ring/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

static const struct chunk no_chunk = {.buffer = BUFFER_NONE};

void stream_open(struct stream *s, int fd, uint32_t index, enum ring_op first_op)
{
	uint32_t life = s->life;
	bool listed = s->listed;

	must(s->pending == 0); /* no completion for the slot is pending */
	*s = (struct stream){.fd = fd,
			     .index = index,
			     .life = life,
			     .listed = listed,
			     .first_op = first_op,
			     .trailers = no_chunk,
			     .in = no_chunk,
			     .out = no_chunk,
			     .next = no_chunk};
}

void stream_open_carried(struct stream *s, const struct stream_carrier *carrier, void *carrier_self,
			 uint32_t index, enum ring_op first_op)
{
	stream_open(s, -1, index, first_op);
	s->carried = true;
	s->carrier = carrier;
	s->carrier_self = carrier_self;
}

static struct io_uring_sqe *entry(struct stream_io *io, struct stream *s, int op)
{
	must(!s->carried && s->fd >= 0 && s->pending < UINT8_MAX);
	s->pending++;
	return ring_sqe(io->ring, (enum ring_op)((int)s->first_op + op), s->index, s->life);
}

static void submit_recv(struct stream_io *io, struct stream *s, uint16_t hint)
{
	struct io_uring_sqe *sqe = entry(io, s, 0);

	io_uring_prep_recv(sqe, s->fd, NULL, 0, 0);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	sqe->ioprio = hint;
}

static void submit_poll(struct stream_io *io, struct stream *s, int op, unsigned int events)
{
	io_uring_prep_poll_add(entry(io, s, op), s->fd, events);
}

void stream_recv(struct stream_io *io, struct stream *s)
{
	if (s->receiving || s->closing)
		return;
	s->receiving = true;
	if (s->carried) {
		s->carrier->wants(s->carrier_self, s);
		return;
	}
	s->recv_waits = s->nonblocking;
	if (s->nonblocking)
		submit_poll(io, s, 0, POLLIN);
	else /* mostly nothing is there yet: wait first */
		submit_recv(io, s, IORING_RECVSEND_POLL_FIRST);
}

static void submit_send(struct stream_io *io, struct stream *s)
{
	io_uring_prep_send(entry(io, s, 1), s->fd, s->out.at, s->out.size,
			   MSG_NOSIGNAL | MSG_WAITALL);
}

static void send_first(struct stream_io *io, struct stream *s, struct chunk chunk)
{
	must(chunk.size > 0);
	s->sending = true;
	s->out = chunk;
	if (s->carried)
		s->carrier->has(s->carrier_self, s);
	else
		submit_send(io, s);
}

void stream_send(struct stream_io *io, struct stream *s, struct chunk chunk)
{
	if (s->sending) {
		must(s->next.size == 0);
		s->next = chunk;
		return;
	}
	send_first(io, s, chunk);
}

void stream_poll(struct stream_io *io, struct stream *s, unsigned int events)
{
	s->polling = true;
	submit_poll(io, s, 2, events);
}

void stream_watch(struct stream_io *io, struct stream *s)
{
	if (s->watched || s->carried || s->closing)
		return;
	s->watched = true;
	submit_poll(io, s, 3, POLLRDHUP);
}

void stream_set_nonblocking(struct stream *s, bool on)
{
	if (s->nonblocking == on)
		return;
	if (fcntl(s->fd, F_SETFL, on ? O_RDWR | O_NONBLOCK : O_RDWR) == 0)
		s->nonblocking = on;
}

/* Moves the bytes into a larger buffer. False if there is none. */
static bool grow(struct stream_io *io, struct stream *s)
{
	uint32_t large = buffers_get(io->buffers, io->buffers->large_bytes);
	char *to;

	must(s->in.size <= io->buffers->large_bytes - BUFFER_HEADROOM - BUFFER_SLACK);
	if (large == BUFFER_NONE)
		return false;
	to = buffers_at(io->buffers, large) + BUFFER_HEADROOM;
	memcpy(to, s->in.at, s->in.size);
	buffers_put(io->buffers, s->in.buffer);
	s->in = (struct chunk){to, s->in.size, large};
	return true;
}

/* Joins received bytes to the waiting ones. They are few, so copying beats a list. */
static enum stream_result append(struct stream_io *io, struct stream *s, uint32_t buffer,
				 uint32_t size)
{
	char *data = buffers_at(io->buffers, buffer) + BUFFER_HEADROOM, *end;

	if (s->in.size == 0) {
		buffers_put(io->buffers, s->in.buffer);
		s->in = (struct chunk){data, size, buffer};
		return STREAM_MORE;
	}
	if (s->in.buffer == BUFFER_NONE) { /* stashed bytes: put them in front of the new ones */
		memmove(data + s->in.size, data, size);
		memcpy(data, s->in.at, s->in.size);
		s->in = (struct chunk){data, s->in.size + size, buffer};
		return STREAM_MORE;
	}
	end = buffers_at(io->buffers, s->in.buffer) + buffers_size(io->buffers, s->in.buffer) -
	      BUFFER_SLACK;
	if (s->in.at + s->in.size + size > end && grow(io, s))
		end = buffers_at(io->buffers, s->in.buffer) +
		      buffers_size(io->buffers, s->in.buffer) - BUFFER_SLACK;
	if (s->in.at + s->in.size + size <= end) {
		memcpy(s->in.at + s->in.size, data, size);
		s->in.size += size;
		buffers_put(io->buffers, buffer);
		return STREAM_MORE;
	}
	buffers_put(io->buffers, buffer);
	return STREAM_FULL;
}

bool stream_put(struct stream_io *io, struct stream *s, const void *at, uint32_t size,
		uint32_t spare)
{
	struct buffers *b = io->buffers;
	char *end;

	if (s->in.size == 0) {
		buffers_put(b, s->in.buffer);
		s->in = (struct chunk){.buffer = buffers_get(b, BUFFER_UNIT)};
		if (s->in.buffer == BUFFER_NONE)
			return false;
		s->in.at = buffers_at(b, s->in.buffer) + BUFFER_HEADROOM;
	}
	for (;;) {
		end = buffers_at(b, s->in.buffer) + buffers_size(b, s->in.buffer) - BUFFER_SLACK;
		if (size <= (uint32_t)(end - (s->in.at + s->in.size)))
			break;
		if (buffers_size(b, s->in.buffer) != BUFFER_UNIT || b->free_large_count <= spare ||
		    !grow(io, s))
			return false;
	}
	memcpy(s->in.at + s->in.size, at, size);
	s->in.size += size;
	return true;
}

enum stream_result stream_on_recv(struct stream_io *io, struct stream *s,
				  const struct ring_event *e, int *err)
{
	must(s->pending > 0 && s->receiving);
	s->pending--;
	if (s->recv_waits) {
		s->recv_waits = false;
		submit_recv(io, s, 0);
		return STREAM_NOTHING;
	}
	s->receiving = false;
	if (e->flags & IORING_CQE_F_BUFFER) {
		uint32_t buffer = e->flags >> IORING_CQE_BUFFER_SHIFT;

		buffers_taken(io->buffers);
		if (e->res > 0)
			return append(io, s, buffer, (uint32_t)e->res);
		buffers_put(io->buffers, buffer);
	}
	if (e->res == 0)
		return STREAM_END;
	if (e->res == -ENOBUFS)
		return STREAM_STARVED;
	if (e->res == -EAGAIN || e->res == -EINTR) {
		stream_recv(io, s);
		return STREAM_NOTHING;
	}
	*err = e->res;
	return STREAM_ERROR;
}

enum stream_result stream_on_send(struct stream_io *io, struct stream *s,
				  const struct ring_event *e, int *err)
{
	must(s->pending > 0 && s->sending);
	s->pending--;
	if (s->send_waits) {
		s->send_waits = false;
		submit_send(io, s);
		return STREAM_NOTHING;
	}
	if (e->res == -EAGAIN) {
		s->send_waits = true;
		submit_poll(io, s, 1, POLLOUT);
		return STREAM_NOTHING;
	}
	if (e->res < 0 && e->res != -EINTR) {
		s->sending = false;
		*err = e->res;
		return STREAM_ERROR;
	}
	if (e->res < 0 || (uint32_t)e->res < s->out.size) {
		uint32_t sent = e->res < 0 ? 0 : (uint32_t)e->res;

		s->out.at += sent;
		s->out.size -= sent;
		submit_send(io, s);
		return STREAM_NOTHING;
	}
	buffers_put(io->buffers, s->out.buffer);
	s->out = s->next;
	s->next = no_chunk;
	if (s->out.size) {
		submit_send(io, s);
		return STREAM_NOTHING;
	}
	s->sending = false;
	return STREAM_MORE;
}

void stream_consume(struct stream_io *io, struct stream *s, uint32_t size)
{
	must(size <= s->in.size);
	if (size > 0) /* NULL + 0 is not defined in C11 */
		s->in.at += size;
	s->in.size -= size;
	if (s->in.size > 0)
		return;
	buffers_put(io->buffers, s->in.buffer);
	s->in = no_chunk;
}

void stream_stash(struct stream_io *io, struct stream *s, char *to, uint32_t room)
{
	must(room <= BUFFER_SLACK / 2);
	if (s->in.size > room || s->in.buffer == BUFFER_NONE)
		return;
	memcpy(to, s->in.at, s->in.size);
	buffers_put(io->buffers, s->in.buffer);
	s->in = (struct chunk){to, s->in.size, BUFFER_NONE};
}

void stream_close(struct stream_io *io, struct stream *s)
{
	if (s->closing)
		return;
	s->closing = true;
	if (s->carried)
		s->carrier->closed(s->carrier_self, s);
	if (s->pending == 0)
		return;
	io_uring_prep_cancel_fd(ring_sqe(io->ring, RING_IGNORE, 0, 0), s->fd,
				IORING_ASYNC_CANCEL_ALL);
}

void stream_on_late(struct stream_io *io, struct stream *s, const struct ring_event *e)
{
	must(s->pending > 0 && s->closing);
	s->pending--;
	if (e->flags & IORING_CQE_F_BUFFER) {
		buffers_taken(io->buffers);
		buffers_put(io->buffers, e->flags >> IORING_CQE_BUFFER_SHIFT);
	}
}

bool stream_settled(struct stream_io *io, struct stream *s)
{
	if (!s->closing || s->pending > 0)
		return false;
	buffers_put(io->buffers, s->in.buffer);
	buffers_put(io->buffers, s->out.buffer);
	buffers_put(io->buffers, s->next.buffer);
	buffers_put(io->buffers, s->trailers.buffer);
	s->in = s->out = s->next = s->trailers = no_chunk;
	if (s->fd >= 0)
		ring_close(io->ring, keep_fd(&s->fd));
	s->life++;
	return true;
}
