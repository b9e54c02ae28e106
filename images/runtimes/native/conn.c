// SPDX-License-Identifier: Apache-2.0
/*
 * A connection receives while the parser or the handler wants bytes, sends its output, and ends
 * when the peer ends. A receive is always under way; while received bytes are not wanted yet, a
 * watch for the peer's end stands in its place. So a client that leaves is noticed at any moment.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

static struct ebb_request *take_free(struct ebb *e)
{
	struct ebb_request *rq = e->free;

	if (rq) {
		e->free = rq->next;
		return rq;
	}
	rq = malloc(sizeof(*rq));
	if (rq) {
		rq->older = e->newest;
		e->newest = rq;
	}
	return rq;
}

/* Resets the connection for its next request; received bytes stay. */
static void reset(struct ebb_request *rq)
{
	const size_t from = offsetof(struct ebb_request, phase);

	if (rq->head != rq->head_bytes)
		free(rq->head);
	memset((char *)rq + from, 0, offsetof(struct ebb_request, extra) - from);
	rq->head = rq->head_bytes;
	rq->head_size = HEAD_BYTES;
	rq->extra_used = 0;
}

void conn_accepted(struct ebb *e, int fd)
{
	const size_t from = offsetof(struct ebb_request, fd);
	struct ebb_request *rq = take_free(e);
	int one = 1;

	if (!rq) {
		close(fd);
		return;
	}
	/* An error is ignored: on the unix socket of an instance this is ENOPROTOOPT. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	memset((char *)rq + from, 0, offsetof(struct ebb_request, extra) - from);
	rq->head = rq->head_bytes;
	rq->head_size = HEAD_BYTES;
	rq->loop = e;
	rq->next = NULL;
	rq->fd = fd;
	rq->buffer = -1;
	conn_go(rq);
}

static void give_buffer(struct ebb_request *rq)
{
	struct ebb *e = rq->loop;
	struct ebb_request *starved = e->starved;

	if (rq->buffer < 0)
		return;
	e->backend->give(e, rq->buffer);
	rq->buffer = -1;
	rq->in_left = 0;
	if (!starved)
		return;
	e->starved = starved->next;
	starved->starved = false;
	if (!starved->closing)
		conn_go(starved);
	else
		conn_close(starved);
}

void conn_starved(struct ebb_request *rq)
{
	rq->receiving = false;
	if (rq->closing) {
		conn_close(rq);
		return;
	}
	rq->starved = true;
	rq->next = rq->loop->starved;
	rq->loop->starved = rq;
}

/* Closes a connection. Its memory is freed when no operation on it is under way any more;
 * shutdown(2) makes all of them end. */
void conn_close(struct ebb_request *rq)
{
	struct ebb *e = rq->loop;

	if (!rq->closing) {
		rq->closing = true;
		(void)shutdown(rq->fd, SHUT_RDWR);
		e->backend->forget(rq);
	}
	if (rq->receiving || rq->sending || rq->polling || rq->starved || rq->fd < 0)
		return;
	close(rq->fd);
	rq->fd = -1;
	rq->next = e->dead;
	e->dead = rq;
}

static void free_memory(struct ebb_request *rq)
{
	free(rq->tail);
	rq->tail = NULL;
	if (rq->head != rq->head_bytes)
		free(rq->head);
	rq->head = rq->head_bytes;
}

void conns_free(struct ebb *e)
{
	while (e->newest) {
		struct ebb_request *rq = e->newest;

		e->newest = rq->older;
		if (rq->fd >= 0)
			close(rq->fd);
		free_memory(rq);
		free(rq);
	}
}

void conns_reap(struct ebb *e)
{
	struct ebb_request *dead = e->dead, *next;

	e->dead = NULL;
	for (; dead; dead = next) {
		struct ebb_request *rq = dead;

		next = rq->next;
		if (rq->queued) { /* epoll.c still has it in its queue */
			rq->next = e->dead;
			e->dead = rq;
			continue;
		}
		give_buffer(rq);
		free_memory(rq);
		rq->next = e->free;
		e->free = rq;
	}
}

void conn_gone(struct ebb_request *rq)
{
	ebb_callback *fn = rq->on_cancel;

	if (rq->closing) {
		conn_close(rq);
		return;
	}
	if (rq->phase == PHASE_OPEN) {
		rq->loop->user->over(rq);
		if (fn && rq->answer != ANSWER_DONE)
			fn(rq, rq->cancel_ctx);
	}
	conn_close(rq);
}

/* ---- receiving ---- */

static bool take_head(struct ebb_request *rq)
{
	int r = head_take(rq);

	if (r == 1)
		return false;
	if (r == 0)
		r = head_parse(rq);
	if (r < 0) {
		rq->close_after = true;
		rq->frame = FRAME_DONE;
		rq->phase = PHASE_OPEN;
		rq->loop->open++;
		rq->loop->user->refuse(rq, -r, "the request is not valid HTTP/1.1\n");
		return false;
	}
	rq->loop->user->begin(rq);
	return true;
}

static bool take_body(struct ebb_request *rq)
{
	const char *data;
	size_t size;
	int r = body_take(rq, &data, &size);

	if (r < 0) {
		log_line(rq->id, "ebb: the request's body is not chunked as it says");
		conn_gone(rq);
		return false;
	}
	if (r > 0 && rq->phase == PHASE_OPEN && rq->on_body)
		rq->on_body(rq, data, size, rq->body_ctx);
	return r > 0 || rq->frame == FRAME_DONE;
}

static bool body_wanted(const struct ebb_request *rq)
{
	return rq->phase == PHASE_REST || (rq->on_body && !rq->paused && rq->answer != ANSWER_DONE);
}

/* Does one step. False when there is nothing to do before more bytes come or the handler wants
 * them. */
static bool advance(struct ebb_request *rq)
{
	if (rq->phase == PHASE_HEAD)
		return rq->in_left > 0 && take_head(rq);
	if (!body_wanted(rq))
		return false;
	if (rq->frame != FRAME_DONE)
		return rq->in_left > 0 && take_body(rq);
	if (rq->phase == PHASE_REST) {
		reset(rq);
		return true;
	}
	if (rq->ended)
		return false;
	rq->ended = true;
	rq->on_body(rq, "", 0, rq->body_ctx);
	return true;
}

static void listen_on(struct ebb_request *rq)
{
	const struct backend *backend = rq->loop->backend;

	if (rq->in_left == 0)
		give_buffer(rq);
	if (rq->receiving || rq->starved)
		return;
	if (rq->buffer < 0) {
		rq->receiving = true;
		backend->receive(rq);
	} else if (!rq->polling) {
		rq->polling = true;
		backend->hangup(rq);
	}
}

/* A callback may call this again: the inner call returns, and the outermost call goes on. */
void conn_go(struct ebb_request *rq)
{
	if (rq->going || rq->closing)
		return;
	rq->going = true;
	while (!rq->closing && advance(rq))
		;
	rq->going = false;
	if (!rq->closing)
		listen_on(rq);
}

void conn_received(struct ebb_request *rq, int buffer, long size)
{
	rq->receiving = false;
	if (size <= 0 || rq->closing) {
		if (buffer >= 0) {
			rq->buffer = buffer;
			give_buffer(rq);
		}
		conn_gone(rq);
		return;
	}
	rq->buffer = buffer;
	rq->in_at = rq->loop->buffers + (size_t)buffer * BUFFER_BYTES;
	rq->in_left = (size_t)size;
	conn_go(rq);
}

/* ---- sending ---- */

static void answered(struct ebb_request *rq)
{
	if (rq->phase == PHASE_OPEN)
		rq->loop->user->over(rq);
	if (rq->close_after) {
		conn_close(rq);
		return;
	}
	rq->phase = PHASE_REST;
	conn_go(rq);
}

/* Reads the next bytes of the file into the tail, for a backend that cannot send from a file. */
static bool load_file(struct ebb_request *rq)
{
	size_t size = rq->file_left < FILE_BYTES ? (size_t)rq->file_left : FILE_BYTES;
	ssize_t n;

	if (!rq->tail)
		rq->tail = malloc(FILE_BYTES);
	if (!rq->tail)
		return false;
	do
		n = pread(rq->file_fd, rq->tail, size, (off_t)rq->file_at);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	rq->tail_size = (size_t)n;
	rq->tail_sent = 0;
	rq->file_at += (uint64_t)n;
	rq->file_left -= (uint64_t)n;
	return true;
}

static void flush_file(struct ebb_request *rq)
{
	const struct backend *backend = rq->loop->backend;

	if (backend->send_file) {
		rq->sending = true;
		backend->send_file(rq,
				   rq->file_left < MOVE_BYTES ? (size_t)rq->file_left : MOVE_BYTES);
	} else if (load_file(rq)) {
		rq->sending = true;
		backend->send(rq, rq->tail, rq->tail_size);
	} else {
		log_line(rq->id, "ebb: a file of an answer cannot be read to its end");
		conn_gone(rq);
	}
}

void conn_flush(struct ebb_request *rq)
{
	const struct backend *backend = rq->loop->backend;

	if (rq->sending || rq->closing)
		return;
	if (rq->out_sent < rq->out_used) {
		rq->sending = true;
		backend->send(rq, rq->out + rq->out_sent, rq->out_used - rq->out_sent);
	} else if (rq->tail_sent < rq->tail_size) {
		rq->sending = true;
		backend->send(rq, rq->tail + rq->tail_sent, rq->tail_size - rq->tail_sent);
	} else if (rq->file_left > 0) {
		flush_file(rq);
	}
}

/* Counts sent bytes where they came from. */
static void count_sent(struct ebb_request *rq, size_t size)
{
	if (rq->out_sent < rq->out_used) {
		rq->out_sent += size;
	} else if (rq->tail_sent < rq->tail_size) {
		rq->tail_sent += size;
	} else {
		rq->file_at += size;
		rq->file_left -= size;
	}
}

void conn_sent(struct ebb_request *rq, long size)
{
	ebb_callback *fn = rq->on_writable;

	rq->sending = false;
	if (size < 0 || rq->closing) {
		conn_gone(rq);
		return;
	}
	count_sent(rq, (size_t)size);
	if (rq->out_sent == rq->out_used)
		rq->out_sent = rq->out_used = 0;
	conn_flush(rq);
	if (rq->sending || rq->closing)
		return;
	free(rq->tail);
	rq->tail = NULL;
	rq->tail_sent = rq->tail_size = 0;
	if (rq->answer == ANSWER_DONE)
		answered(rq);
	else if (fn)
		fn(rq, rq->writable_ctx);
}
