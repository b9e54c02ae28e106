/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tunnel follows a 101: bytes pass both ways at once, untouched, until both sides have ended. The
 * frames of a WebSocket are followed, not kept, for two reasons: to say goodbye between two of
 * them, and to let the WebSocket hibernate (hibernate.c).
 *
 * maxDuration is for requests and does not end a tunnel. These end one: both FINs, a send that does
 * not move for idle_timeout, silence for that long after one FIN, a dead peer (TCP keepalive), a
 * drain. Silence alone does not.
 */
#ifndef EBB_GATEWAY_TUNNEL_H
#define EBB_GATEWAY_TUNNEL_H

#include "runtime/gateway/exchange/gateway.h"
#include "runtime/http/websocket.h"

/* The tunnel of a client in a state of client_is_tunnel. Tunnels stand in a table of their own,
 * whose pages cost nothing until they are used. */
struct tunnel {
	struct ws_reader up, down;
	uint64_t moved_ns[2]; /* by enum relay_way: when the sink last had taken everything */
	uint64_t data_ns;     /* when a byte of a message last passed */
	int goodbye;          /* code of the close frame to send at the end; 0 = none */
	uint64_t until_ns;    /* when the wait of this state or of the drain is over; 0 = no wait */
	uint32_t hibernate_ms;
	bool frames;        /* a WebSocket whose frames up and down follow */
	bool closing;       /* a close frame has passed, either way */
	bool client_pinged; /* a ping of the client awaits its pong */
	bool server_pinged; /* a ping of the server awaits its pong */
	bool leaving, told; /* at a drain; told: 1001 was sent, later frames are dropped */
};

enum hibernate_wake {
	HIBERNATE_WAITS, /* the WebSocket sleeps, or waits in line */
	HIBERNATE_WOKEN,
	HIBERNATE_GONE, /* the instance has ended */
};

int tunnel_init(struct gateway *g); /* 0 or -ENOMEM */
static inline struct tunnel *tunnel_of(struct gateway *g, const struct client *c)
{
	return &g->tunnels[c->s.index];
}
/* The 101 in `response` was accepted and is about to be sent: sets the tunnel of c up. */
void tunnel_prepare(struct gateway *g, struct client *c, const struct http_head *response);
/* The 101 is on its way to the client: bytes may pass. */
enum verdict tunnel_begin(struct gateway *g, struct client *c);
/* Moves the bytes of one way (enum relay_way, here and below). */
enum verdict tunnel_pump(struct gateway *g, struct client *c, int way);
/* The source of this way ended. err: 0 for a FIN, else -errno. */
enum verdict tunnel_on_end(struct gateway *g, struct client *c, int way, int err);
enum verdict tunnel_on_timer(struct gateway *g, struct client *c);
/* Tells every WebSocket to go: between two messages or, after LEAVE_NS, between two frames. */
void tunnel_drain(struct gateway *g);
/* Tells the sleeping WebSockets of this instance to go; all: every WebSocket of it. An awake
 * WebSocket is told when it falls silent. */
void tunnel_instance_drain(struct gateway *g, uint32_t slot, uint32_t generation, bool all);

/* Ends the tunnel: the connection to the instance at once, that of the client after a close frame
 * with this code, if one may be sent by then. code 0: without a close frame. Always
 * VERDICT_FAREWELL. */
enum verdict tunnel_over(struct gateway *g, struct client *c, int code);
/* Gives the close frame of tunnel_over. False: there is none, or it may not be sent now. */
bool tunnel_farewell(struct gateway *g, struct client *c, struct chunk *out);
/* Has tunnel_on_timer look at c no later than when_ns. A look is never taken back: one that comes
 * too early asks for the next one. */
static inline void tunnel_look_at(struct gateway *g, struct client *c, uint64_t when_ns)
{
	c->deadline_ns = 0;
	timers_set(&g->timers, c->s.index, when_ns);
}

/* hibernate.c */
#define HIBERNATE_LOOK_NS (50 * NS_PER_MS) /* so long after a message hibernate_try is called */
#define WAKER_CHECK_NS    BOARD_WANT_NS    /* no event says that a ticket was given back */
/* Lets the WebSocket of c sleep if it may. 0: it sleeps or never will; else when to call this
 * again. */
uint64_t hibernate_try(struct gateway *g, struct client *c);
/* Reads bytes of a client whose WebSocket sleeps: answers pings, or wakes the instance. */
enum hibernate_wake hibernate_read(struct gateway *g, struct client *c);
/* Takes a ticket for the sleeping WebSocket of c again, or puts c in line for one. */
enum hibernate_wake hibernate_wake(struct gateway *g, struct client *c);
/* The exchange of c ends: takes it out of the line and off the board, and wakes the instance so
 * that it sees the end. */
void hibernate_ended(struct gateway *g, struct client *c);
/* A ticket of i may be free: tries to wake the first one in line, which is c. */
enum hibernate_wake hibernate_wake_now(struct gateway *g, struct client *c, struct instance *i);
/* tunnel.c: the verdict that follows from a result of hibernate.c. */
enum verdict tunnel_woken(struct gateway *g, struct client *c, enum hibernate_wake how);

#endif
