/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tunnel follows a 101: bytes pass both ways at once, untouched, until both sides have ended. The
 * frames of a WebSocket are followed, not kept, for two reasons: to say goodbye between two of
 * them, and to let it hibernate (hibernate.c).
 *
 * maxDuration is for requests and does not end a tunnel. These end one: both FINs, a send that does
 * not move for idle_timeout, silence for that long after one FIN, a dead peer (TCP keepalive), a
 * drain. Silence alone does not.
 */
#ifndef EBB_GATEWAY_TUNNEL_H
#define EBB_GATEWAY_TUNNEL_H

#include "runtime/gateway/exchange/gateway.h"
#include "runtime/http/websocket.h"

/* Of a client that is a tunnel (client_is_tunnel); in a table of its own, which costs nothing until
 * it is used.
 */
struct tunnel {
	struct ws_reader up, down;
	uint64_t moved_ns[2]; /* by enum relay_way: when the sink last took everything */
	uint64_t data_ns;     /* when a byte of a message last passed */
	int goodbye;          /* code of the close frame, once it is over */
	uint64_t until_ns;    /* of what the mode or the drain waits for; 0 = nothing */
	uint32_t hibernate_ms;
	bool frames;        /* a WebSocket, and up and down know where its frames are */
	bool closing;       /* a close frame passed, either way */
	bool client_pinged; /* and the server has not answered yet; the other way round: */
	bool server_pinged;
	bool leaving, told; /* at a drain; told: 1001 was sent, what the server says now is dropped
			     */
};

enum hibernate_wake {
	HIBERNATE_WAITS, /* it sleeps, or waits in line */
	HIBERNATE_WOKEN,
	HIBERNATE_GONE, /* its instance has ended */
};

int tunnel_init(struct gateway *g); /* 0 or -ENOMEM */
static inline struct tunnel *tunnel_of(struct gateway *g, const struct client *c)
{
	return &g->tunnels[c->s.index];
}
/* The 101 in `response` was accepted and is about to be sent. */
void tunnel_prepare(struct gateway *g, struct client *c, const struct http_head *response);
/* It is on its way. */
enum verdict tunnel_begin(struct gateway *g, struct client *c);
/* way: enum relay_way, as below. */
enum verdict tunnel_pump(struct gateway *g, struct client *c, int way);
/* The source of this way ended, err 0 for a FIN. */
enum verdict tunnel_on_end(struct gateway *g, struct client *c, int way, int err);
enum verdict tunnel_on_timer(struct gateway *g, struct client *c);
/* Every WebSocket is told to go, between two messages or, after a while, between two frames. */
void tunnel_drain(struct gateway *g);
/* Tells the sleeping WebSockets of this instance to go, or all its WebSockets. Awake WebSockets
 * otherwise hear of the end when they fall silent. */
void tunnel_instance_drain(struct gateway *g, uint32_t slot, uint32_t generation, bool all);

/* It ends: the instance's connection at once, the client's after a close frame with this code if
 * one may be sent by then; code 0: without. Always VERDICT_FAREWELL. */
enum verdict tunnel_over(struct gateway *g, struct client *c, int code);
/* That close frame. False: there is none, or it may not be sent now. */
bool tunnel_farewell(struct gateway *g, struct client *c, struct chunk *out);
/* No later than this it is looked at again. That is only ever asked for, never taken back: a look
 * that comes too early asks again. */
static inline void tunnel_look_at(struct gateway *g, struct client *c, uint64_t when_ns)
{
	c->deadline_ns = 0;
	timers_set(&g->timers, c->s.index, when_ns);
}

/* hibernate.c */
#define HIBERNATE_LOOK_NS (50 * NS_PER_MS) /* after a message, hibernate_try is to be asked */
#define WAKER_CHECK_NS    BOARD_WANT_NS    /* other gateways give tickets back without telling us */
/* Lets it sleep if it may: 0, else when to ask again. */
uint64_t hibernate_try(struct gateway *g, struct client *c);
/* Bytes of a client whose WebSocket sleeps or wakes. */
enum hibernate_wake hibernate_read(struct gateway *g, struct client *c);
enum hibernate_wake hibernate_wake(struct gateway *g, struct client *c);
/* Out of the line and of the books; wakes the instance so that it sees the end. */
void hibernate_ended(struct gateway *g, struct client *c);
/* One in line, as a ticket of i may be free. */
enum hibernate_wake hibernate_wake_now(struct gateway *g, struct client *c, struct instance *i);
/* The verdict about that. */
enum verdict tunnel_woken(struct gateway *g, struct client *c, enum hibernate_wake how);

#endif
