/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an exchange: one table, state by event, in events.c. A handler changes the exchange
 * and returns a verdict; run.c acts on the verdict.
 */
#ifndef EBB_GATEWAY_EVENTS_H
#define EBB_GATEWAY_EVENTS_H

#include "runtime/gateway/exchange/gateway.h"

enum exchange_event {
	/* of the upstream: in the order of enum upstream_event */
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
	/* of the client; between two requests client/events.c handles them */
	EVENT_BYTES,    /* s.in has more */
	EVENT_BODY_END, /* the carrier says that the body is whole */
	EVENT_SENT,     /* everything given to the client was sent */
	EVENT_READY,    /* a stream is ready, as stream_poll asked */
	EVENT_END,      /* the client ended its side, or is gone */
	EVENT_LEFT,     /* the client left while nothing was read from it */
	EVENT_FULL,     /* more bytes came than a buffer holds */
	EVENT_LOST,     /* the connection of the client broke */
	EVENT_UNSENT,   /* the connection broke while bytes were sent to the client */
	/* of neither */
	EVENT_TIMER,
	EVENT_DOWN, /* the instance has ended; the ticket is given back already */
	EVENT_COUNT
};

struct happening {
	enum exchange_event event;
	int err;
	const struct upstream_end *end; /* of EVENT_UP_OVER */
};

/* Handles the event in the state that c is in. An event without a handler is logged. */
enum verdict exchange_handle(struct gateway *g, struct client *c, const struct happening *h);

#endif
