// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/body/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "runtime/base/mem.h"

#define PIPE_BYTES  (256u * 1024)
#define ROUNDS_MAX  8 /* then other connections get their turn */
#define SPLICE_MODE (SPLICE_F_MOVE | SPLICE_F_NONBLOCK)

int pipes_init(struct pipes *p)
{
	for (uint32_t i = 0; i < PIPES_MAX; i++) {
		if (pipe2(p->at[i].ends, O_CLOEXEC | O_NONBLOCK) < 0)
			return -errno;
		/* A pipe that keeps the default of 64 KiB works too, only slower. */
		(void)fcntl(p->at[i].ends[1], F_SETPIPE_SZ, PIPE_BYTES);
		p->free[p->free_count++] = i;
	}
	return 0;
}

void splice_end(struct pipes *p, struct flow *f)
{
	char scrap[16384];

	if (f->pipe == 0)
		return;
	while (f->in_pipe > 0) {
		ssize_t n = read(p->at[f->pipe - 1].ends[0], scrap, sizeof(scrap));

		if (n <= 0)
			break;
		f->in_pipe -= (uint32_t)n;
	}
	must(p->free_count < PIPES_MAX);
	p->free[p->free_count++] = f->pipe - 1;
	f->pipe = 0;
}

bool splice_begin(struct pipes *p, struct stream_io *io, struct flow *f, struct stream *src,
		  struct stream *dst)
{
	if (p->free_count == 0 || src->receiving || src->polling || dst->polling)
		return false;
	must(f->pipe == 0 && f->in == HTTP_LENGTH && !src->carried && !dst->carried);
	f->pipe = p->free[--p->free_count] + 1;
	f->in_pipe = 0;
	stream_set_nonblocking(src, true);
	stream_set_nonblocking(dst, true);
	stream_poll(io, src, POLLIN);
	return true;
}

enum step { MOVED, SRC_EMPTY, DST_FULL, SRC_ENDED, SRC_FAILED, DST_FAILED };

/* One round: from the source into the pipe, then from the pipe into the sink. */
static enum step move(const int *ends, struct flow *f, struct stream *src, struct stream *dst,
		      uint64_t *moved)
{
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
		*moved += (uint64_t)n;
		return MOVED;
	}
	return empty ? SRC_EMPTY : MOVED;
}

static bool is_complete(const struct flow *f)
{
	return f->left == 0 && f->in_pipe == 0;
}

/* The whole body went through: the ring serves both streams again. */
static enum splice_result complete(struct pipes *p, struct flow *f, struct stream *src,
				   struct stream *dst)
{
	splice_end(p, f);
	stream_set_nonblocking(src, false);
	stream_set_nonblocking(dst, false);
	f->in_done = f->done = true;
	return SPLICE_DONE;
}

enum splice_result splice_pump(struct pipes *p, struct stream_io *io, struct flow *f,
			       struct stream *src, struct stream *dst, uint64_t *moved)
{
	enum step r = MOVED;

	must(f->pipe > 0);
	*moved = 0;
	for (int i = 0; i < ROUNDS_MAX && r == MOVED && !is_complete(f); i++)
		r = move(p->at[f->pipe - 1].ends, f, src, dst, moved);
	if (r >= SRC_ENDED)
		return r == SRC_ENDED    ? SPLICE_ENDED
		       : r == SRC_FAILED ? SPLICE_FAILED
					 : SPLICE_SINK_FAILED;
	if (is_complete(f))
		return complete(p, f, src, dst);
	if (r == DST_FULL || f->left == 0) {
		stream_poll(io, dst, POLLOUT);
		return SPLICE_SINK_FULL;
	}
	stream_poll(io, src, POLLIN);
	return SPLICE_WAITS;
}
