// SPDX-License-Identifier: Apache-2.0
/*
 * Long bodies of known length move inside the kernel: socket -> pipe -> socket with splice(2), a
 * third of the CPU of copying. Readiness comes from the ring (POLL_ADD); IORING_OP_SPLICE would go
 * through worker threads. Pipes are few and made at start, because a user may own only so many
 * pages of them; without a free one the body is copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "runtime/gateway/proxy.h"

#define PIPE_BYTES  (256u * 1024)
#define ROUNDS_MAX  8 /* then the others have their turn */
#define SPLICE_MODE (SPLICE_F_MOVE | SPLICE_F_NONBLOCK)

int splice_init(struct proxy *p)
{
	for (uint32_t i = 0; i < PIPES_MAX; i++) {
		if (pipe2(p->pipes[i].ends, O_CLOEXEC | O_NONBLOCK) < 0)
			return -errno;
		/* The default of 64 KiB does too, only slower. */
		(void)fcntl(p->pipes[i].ends[1], F_SETPIPE_SZ, PIPE_BYTES);
		p->free_pipes[p->free_pipe_count++] = i;
	}
	return 0;
}

void splice_end(struct proxy *p, struct flow *f)
{
	char scrap[16384];

	if (f->pipe == 0)
		return;
	while (f->in_pipe > 0) {
		ssize_t n = read(p->pipes[f->pipe - 1].ends[0], scrap, sizeof(scrap));

		if (n <= 0)
			break;
		f->in_pipe -= (uint32_t)n;
	}
	p->free_pipes[p->free_pipe_count++] = f->pipe - 1;
	f->pipe = 0;
}

bool splice_begin(struct proxy *p, struct client *c, enum relay_way way)
{
	struct upstream *u = client_upstream(p, c);
	bool up = way == RELAY_UP;
	struct flow *f = up ? &c->x.up : &c->x.down, *other = up ? &c->x.down : &c->x.up;
	struct stream *src = up ? &c->s : &u->s, *dst = up ? &u->s : &c->s;

	if (p->free_pipe_count == 0 || other->pipe || src->receiving || src->polling ||
	    dst->polling)
		return false;
	f->pipe = p->free_pipes[--p->free_pipe_count] + 1;
	f->in_pipe = 0;
	stream_set_nonblocking(src, true);
	stream_set_nonblocking(dst, true);
	if (up)
		c->x.body_gone = true;
	stream_poll(&p->io, src, POLLIN);
	return true;
}

enum { MOVED, SRC_EMPTY, DST_FULL, SRC_ENDED, SRC_FAILED, DST_FAILED };

/* One round: into the pipe, out of it. */
static int move(struct proxy *p, struct flow *f, struct stream *src, struct stream *dst)
{
	const int *ends = p->pipes[f->pipe - 1].ends;
	bool empty = false;

	if (f->left > 0 && f->in_pipe < PIPE_BYTES) {
		size_t want = PIPE_BYTES - f->in_pipe;
		ssize_t n;

		want = want < f->left ? want : (size_t)f->left;
		n = splice(src->fd, NULL, ends[1], NULL, want, SPLICE_MODE);
		if (n == 0)
			return SRC_ENDED;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return SRC_FAILED;
		empty = n < 0;
		f->left -= n > 0 ? (uint64_t)n : 0;
		f->in_pipe += n > 0 ? (uint32_t)n : 0;
		f->bytes += n > 0 ? (uint64_t)n : 0;
	}
	if (f->in_pipe > 0) {
		ssize_t n = splice(ends[0], NULL, dst->fd, NULL, f->in_pipe,
				   SPLICE_MODE | (f->left ? SPLICE_F_MORE : 0));

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return DST_FAILED;
		if (n <= 0)
			return DST_FULL;
		f->in_pipe -= (uint32_t)n;
		p->count.spliced_bytes += (uint64_t)n;
		return MOVED;
	}
	return empty ? SRC_EMPTY : MOVED;
}

/* All of it went through: back to the ring. */
static void complete(struct proxy *p, struct client *c, struct upstream *u, enum relay_way way)
{
	struct flow *f = way == RELAY_UP ? &c->x.up : &c->x.down;

	splice_end(p, f);
	stream_set_nonblocking(&c->s, false);
	stream_set_nonblocking(&u->s, false);
	f->in_done = f->done = true;
	if (way == RELAY_UP) {
		if (c->s.in.size == 0)
			stream_recv(&p->io, &c->s);
		return;
	}
	response_received(p, c);
	client_next(p, c);
}

static void broken(struct proxy *p, struct client *c, bool up, int r)
{
	bool by_client = up == (r != DST_FAILED);

	if (up && !by_client) { /* the instance may have answered already: see what it sent */
		c->x.up_broken = true;
		c->x.reusable = false;
		splice_end(p, &c->x.up);
		return;
	}
	by_client ? p->count.aborted_by_client++ : p->count.aborted_by_instance++;
	client_close(p, c);
}

void splice_pump(struct proxy *p, struct client *c, enum relay_way way)
{
	struct upstream *u = client_upstream(p, c);
	bool up = way == RELAY_UP;
	struct flow *f = up ? &c->x.up : &c->x.down;
	struct stream *src, *dst;
	int r = MOVED;

	if (!u || !f->pipe)
		return;
	src = up ? &c->s : &u->s;
	dst = up ? &u->s : &c->s;
	for (int i = 0; i < ROUNDS_MAX && r == MOVED; i++) {
		if (f->left == 0 && f->in_pipe == 0) {
			complete(p, c, u, way);
			return;
		}
		r = move(p, f, src, dst);
	}
	if (r >= SRC_ENDED) {
		broken(p, c, up, r);
	} else if (f->left == 0 && f->in_pipe == 0) {
		complete(p, c, u, way);
	} else if (r == DST_FULL || f->left == 0) {
		stream_poll(&p->io, dst, POLLOUT);
		if (up && f->left > 0)
			stream_watch(&p->io, &c->s);
	} else {
		stream_poll(&p->io, src, POLLIN);
	}
}
