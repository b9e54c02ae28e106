/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an exchange: one table, state by event. A handler changes what it must and returns a
 * verdict; run.c acts on it.
 */
#ifndef EBB_GATEWAY_EVENTS_H
#define EBB_GATEWAY_EVENTS_H

#include "runtime/gateway/exchange/gateway.h"

enum exchange_event {
	/* of its upstream: in the order of enum upstream_event */
	EVENT_UP_BYTES,
	EVENT_UP_STRAY,
	EVENT_UP_FULL,
	EVENT_UP_END,
	EVENT_UP_SENT,
	EVENT_UP_BROKEN,
	EVENT_UP_READY,
	EVENT_UP_REFUSED,
	EVENT_UP_WAS_OVER,
	EVENT_UP_OVER, /* a stream of HTTP/2 ended before its answer did */
	/* of its client; between two requests they are the client's, see client/events.c */
	EVENT_BYTES,    /* s.in has more */
	EVENT_BODY_END, /* the carrier says that the body is whole */
	EVENT_SENT,     /* everything given to it was sent */
	EVENT_READY,    /* as stream_poll asked */
	EVENT_END,      /* it says no more, or has gone: err */
	EVENT_LEFT,     /* it left while nothing was read from it */
	EVENT_FULL,     /* more than a buffer holds */
	EVENT_LOST,     /* its connection broke */
	EVENT_UNSENT,   /* so, as it was sent to */
	/* of others */
	EVENT_TIMER,
	EVENT_DOWN, /* its instance has ended, and took the ticket with it */
	EVENT_COUNT
};

struct happening {
	enum exchange_event event;
	int err;
	const struct upstream_end *end; /* of EVENT_UP_OVER */
};

/* The verdict about it in the state that c is in. */
enum verdict exchange_handle(struct gateway *g, struct client *c, const struct happening *h);

#endif
