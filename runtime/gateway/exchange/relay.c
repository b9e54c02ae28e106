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
			     "The body has more than %" PRIu64 " bytes.",
			     c->x.up.bytes + c->x.up.max);
}

/* The whole body of this way was received, and its sink takes the end. */
static enum verdict finished(struct gateway *g, struct client *c, struct leg leg,
			     enum relay_way way)
{
	struct flow *f = leg.flow;
	struct chunk last;

	f->done = true;
	/* The end is not framed yet: only the end of the source showed it, or trailers follow. */
	if (f->out == HTTP_CHUNKED && !f->end_framed) {
		last = flow_last_piece(&g->io, f);
		if (way == RELAY_UP)
			held_ended(g, c, &last);
		stream_send(&g->io, leg.to, last);
		flow_fini(&g->io, f);
	}
	if (way == RELAY_DOWN)
		return VERDICT_RECEIVED;
	if (c->s.in.size == 0 && !buffers_low(g->io.buffers))
		stream_recv(&g->io, &c->s); /* to see the client go away */
	return VERDICT_STAY;
}

static enum verdict send_piece(struct gateway *g, struct client *c, struct leg leg,
			       enum relay_way way)
{
	const struct flow *f = leg.flow;
	struct chunk piece;
	int r = flow_take(&g->io, leg.flow, leg.from, &piece);

	if (r < 0)
		return broken(g, c, way, r);
	if (way == RELAY_UP && piece.size)
		held_outgrown(g, c);
	if (piece.size)
		stream_send(&g->io, leg.to, piece);
	else
		buffers_put(g->io.buffers, piece.buffer);
	if (f->end_framed && way == RELAY_DOWN)
		return VERDICT_RECEIVED;
	if (!f->in_done || !f->end_framed)
		return relay_pump(g, c, way);
	return piece.size ? VERDICT_STAY : finished(g, c, leg, way);
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
	struct leg leg = client_leg(g, c, way);
	enum splice_result r;
	uint64_t moved;

	if (!leg.flow->pipe)
		return VERDICT_STAY;
	r = splice_pump(&g->pipes, &g->io, leg.flow, leg.from, leg.to, &moved);
	g->count.spliced_bytes += moved;
	if (r == SPLICE_DONE)
		return spliced(g, c, way);
	if (r >= SPLICE_ENDED)
		return splice_broke(g, c, way, r == SPLICE_SINK_FAILED);
	if (r == SPLICE_SINK_FULL && way == RELAY_UP && leg.flow->left > 0)
		stream_watch(&g->io, &c->s);
	return VERDICT_STAY;
}

static bool splice_this(struct gateway *g, struct client *c, struct leg leg, enum relay_way way)
{
	if (c->x.up.pipe || c->x.down.pipe ||
	    !splice_begin(&g->pipes, &g->io, leg.flow, leg.from, leg.to))
		return false;
	if (way == RELAY_UP)
		held_outgrown(g, c);
	return true;
}

/* Bodies this long wait for splice(2) rather than being read ahead. */
static bool is_long(struct leg leg)
{
	return leg.flow->in == HTTP_LENGTH && leg.flow->left >= 32768 && !leg.from->carried &&
	       !leg.to->carried;
}

enum verdict relay_pump(struct gateway *g, struct client *c, enum relay_way way)
{
	struct leg leg = client_leg(g, c, way);
	const struct flow *f = leg.flow;

	must(!client_is_tunnel(c));
	if (f->done || f->pipe || (way == RELAY_UP && c->x.sent.broken))
		return VERDICT_STAY;
	if (c->pace.next_ns == 0 && !f->in_done)
		pace_begin(g, c);
	if (leg.to->sending) {
		if (leg.from->in.size == 0 && !f->in_done && !is_long(leg) &&
		    !buffers_low(g->io.buffers))
			stream_recv(&g->io, leg.from);
		else if (way == RELAY_UP && !f->in_done)
			stream_watch(&g->io, leg.from);
		return VERDICT_STAY;
	}
	if (f->in_done)
		return finished(g, c, leg, way);
	if (leg.from->in.size > 0)
		return send_piece(g, c, leg, way);
	if (!is_long(leg) || !splice_this(g, c, leg, way))
		stream_recv(&g->io, leg.from);
	return VERDICT_STAY;
}

enum verdict relay_on_end(struct gateway *g, struct client *c, enum relay_way way)
{
	struct leg leg = client_leg(g, c, way);

	if (leg.flow->in != HTTP_UNTIL_CLOSE) {
		g->count.aborted_by_instance++;
		return VERDICT_CUT;
	}
	flow_take_end(leg.flow, leg.from);
	return relay_pump(g, c, way);
}
