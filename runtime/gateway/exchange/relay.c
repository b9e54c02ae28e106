// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/relay.h"

#include <errno.h>
#include <inttypes.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/held.h"
#include "runtime/gateway/exchange/pace.h"

static enum verdict broken(struct gateway *g, struct client *c, enum relay_way way, int err)
{
	if (err == -ENOBUFS)
		g->count.no_buffer++;
	if (way == RELAY_UP && err == -EBADMSG)
		return exchange_fail(g, c, EDGE_BAD_CHUNKS, 0, "The chunked body is malformed.");
	if (way == RELAY_UP && err == -EFBIG)
		return relay_too_large(g, c);
	if (way == RELAY_DOWN)
		g->count.aborted_by_instance++;
	return VERDICT_CUT;
}

enum verdict relay_too_large(struct gateway *g, struct client *c)
{
	g->count.bodies_too_large++;
	return exchange_fail(g, c, EDGE_BODY_TOO_LARGE, 0,
			     "The body has more than %" PRIu64 " bytes.", g->config.body_bytes_max);
}

/* The whole body of this way was received, and its sink takes the end. */
static enum verdict finished(struct gateway *g, struct client *c, struct flow *f,
			     enum relay_way way)
{
	f->done = true;
	/* The end is not framed yet: only the end of the source showed it, or trailers follow. */
	if (f->out == HTTP_CHUNKED && !f->end_framed) {
		if (way == RELAY_UP)
			held_ended(g, c);
		stream_send(&g->io, way == RELAY_UP ? &client_upstream(g, c)->s : &c->s,
			    flow_last_piece(&g->io, f));
		flow_fini(&g->io, f);
	}
	if (way == RELAY_DOWN)
		return VERDICT_RECEIVED;
	if (c->s.in.size == 0 && !buffers_low(g->io.buffers))
		stream_recv(&g->io, &c->s); /* to see the client go away */
	return VERDICT_STAY;
}

static enum verdict send_piece(struct gateway *g, struct client *c, struct upstream *u,
			       enum relay_way way)
{
	bool up = way == RELAY_UP;
	struct flow *f = up ? &c->x.up : &c->x.down;
	struct stream *src = up ? &c->s : &u->s, *dst = up ? &u->s : &c->s;
	struct chunk piece;
	int r = flow_take(&g->io, f, src, &piece);

	if (r < 0)
		return broken(g, c, way, r);
	if (up && piece.size)
		held_outgrown(g, c);
	if (piece.size)
		stream_send(&g->io, dst, piece);
	else
		buffers_put(g->io.buffers, piece.buffer);
	if (f->end_framed && !up)
		return VERDICT_RECEIVED;
	if (!f->in_done || !f->end_framed)
		return relay_pump(g, c, way);
	return piece.size ? VERDICT_STAY : finished(g, c, f, way);
}

/* ---- in the kernel ---- */

/* The whole body went through the pipe: the ring serves the streams again. */
static enum verdict spliced(struct gateway *g, struct client *c, enum relay_way way)
{
	if (way == RELAY_DOWN)
		return VERDICT_RECEIVED;
	if (c->s.in.size == 0)
		stream_recv(&g->io, &c->s);
	return VERDICT_STAY;
}

static enum verdict splice_broke(struct gateway *g, struct client *c, enum relay_way way, bool sink)
{
	bool by_client = (way == RELAY_UP) != sink;

	if (way == RELAY_UP && sink) { /* it may have answered already: reads that */
		c->x.sent.broken = true;
		c->x.sent.reusable = false;
		splice_end(&g->pipes, &c->x.up);
		upstream_no_more(client_upstream(g, c));
		return VERDICT_STAY;
	}
	by_client ? g->count.aborted_by_client++ : g->count.aborted_by_instance++;
	return VERDICT_CUT;
}

enum verdict relay_ready(struct gateway *g, struct client *c)
{
	enum relay_way way = c->x.down.pipe ? RELAY_DOWN : RELAY_UP;
	struct upstream *u = client_upstream(g, c);
	bool up = way == RELAY_UP;
	struct flow *f = up ? &c->x.up : &c->x.down;
	enum splice_result r;
	uint64_t moved;

	if (!f->pipe)
		return VERDICT_STAY;
	r = splice_pump(&g->pipes, &g->io, f, up ? &c->s : &u->s, up ? &u->s : &c->s, &moved);
	g->count.spliced_bytes += moved;
	if (r == SPLICE_DONE)
		return spliced(g, c, way);
	if (r >= SPLICE_ENDED)
		return splice_broke(g, c, way, r == SPLICE_SINK_FAILED);
	if (r == SPLICE_SINK_FULL && up && f->left > 0)
		stream_watch(&g->io, &c->s);
	return VERDICT_STAY;
}

static bool splice_this(struct gateway *g, struct client *c, struct upstream *u, enum relay_way way)
{
	bool up = way == RELAY_UP;
	struct flow *f = up ? &c->x.up : &c->x.down, *other = up ? &c->x.down : &c->x.up;

	if (other->pipe ||
	    !splice_begin(&g->pipes, &g->io, f, up ? &c->s : &u->s, up ? &u->s : &c->s))
		return false;
	if (up)
		held_outgrown(g, c);
	return true;
}

/* Bodies this long wait for splice(2) rather than being read ahead. */
static bool is_long(const struct client *c, const struct upstream *u, const struct flow *f)
{
	return f->in == HTTP_LENGTH && f->left >= 32768 && !c->s.carried && !u->s.carried;
}

enum verdict relay_pump(struct gateway *g, struct client *c, enum relay_way way)
{
	bool up = way == RELAY_UP;
	struct upstream *u = client_upstream(g, c);
	struct flow *f = up ? &c->x.up : &c->x.down;
	struct stream *src, *dst;

	must(u && !client_is_tunnel(c));
	if (f->done || f->pipe || (up && c->x.sent.broken))
		return VERDICT_STAY;
	src = up ? &c->s : &u->s;
	dst = up ? &u->s : &c->s;
	if (c->pace.next_ns == 0 && !f->in_done)
		pace_begin(g, c);
	if (dst->sending) {
		if (src->in.size == 0 && !f->in_done && !is_long(c, u, f) &&
		    !buffers_low(g->io.buffers))
			stream_recv(&g->io, src);
		else if (up && !f->in_done)
			stream_watch(&g->io, src);
		return VERDICT_STAY;
	}
	if (f->in_done)
		return finished(g, c, f, way);
	if (src->in.size > 0)
		return send_piece(g, c, u, way);
	if (!is_long(c, u, f) || !splice_this(g, c, u, way))
		stream_recv(&g->io, src);
	return VERDICT_STAY;
}

enum verdict relay_on_end(struct gateway *g, struct client *c, enum relay_way way)
{
	struct flow *f = way == RELAY_UP ? &c->x.up : &c->x.down;

	if (f->in != HTTP_UNTIL_CLOSE) {
		g->count.aborted_by_instance++;
		return VERDICT_CUT;
	}
	flow_take_end(f, way == RELAY_UP ? &c->s : &client_upstream(g, c)->s);
	return relay_pump(g, c, way);
}
