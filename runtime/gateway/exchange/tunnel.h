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

#include "runtime/http/head.h"
#include "runtime/http/websocket.h"

struct gateway;
struct client;
struct instance;

/* Of a client that is a tunnel (client_is_tunnel); in a table of its own, which costs nothing until
 * it is used.
 */
struct tunnel {
	struct ws_reader up, down;
	uint64_t moved_ns[2]; /* by enum relay_way: when the sink last took everything */
	uint64_t data_ns;     /* when a byte of a message last passed */
	uint64_t until_ns;    /* of what the mode or the drain waits for; 0 = nothing */
	uint32_t hibernate_ms;
	bool frames;        /* a WebSocket, and up and down know where its frames are */
	bool closing;       /* a close frame passed, either way */
	bool client_pinged; /* and the server has not answered yet; the other way round: */
	bool server_pinged;
	bool leaving, told; /* at a drain; told: 1001 was sent, what the server says now is dropped
			     */
};

int tunnel_init(struct gateway *g); /* 0 or -ENOMEM */
struct tunnel *tunnel_of(struct gateway *g, const struct client *c);
/* The 101 in `response` was accepted and is about to be sent. */
void tunnel_prepare(struct gateway *g, struct client *c, const struct http_head *response);
/* It is on its way. */
void tunnel_begin(struct gateway *g, struct client *c);
/* way: enum relay_way, as below. */
void tunnel_pump(struct gateway *g, struct client *c, int way);
/* The source of this way ended, err 0 for a FIN. */
void tunnel_on_end(struct gateway *g, struct client *c, int way, int err);
void tunnel_on_timer(struct gateway *g, struct client *c);
/* Every WebSocket is told to go, between two messages or, after a while, between two frames. */
void tunnel_drain(struct gateway *g);
void tunnel_leave(struct gateway *g, struct client *c);
/* Tells the sleeping WebSockets of this instance to go, or all of them; else the others hear it
 * when they fall silent. */
void tunnel_instance_drain(struct gateway *g, uint32_t slot, uint32_t generation, bool all);

/* Ends the tunnel: the instance's connection at once, the client's behind a close frame with this
 * code if one may be sent now; code 0: without one. */
void tunnel_finish(struct gateway *g, struct client *c, int code);
/* No later than this it is looked at again. */
void tunnel_look_at(struct gateway *g, struct client *c, uint64_t when_ns);

/* hibernate.c */
#define HIBERNATE_LOOK_NS (50 * NS_PER_MS) /* after a message, hibernate_try is to be asked */
/* Gives the ticket back if it may: 0, else when to ask again. */
uint64_t hibernate_try(struct gateway *g, struct client *c);
/* Bytes of a client whose WebSocket sleeps or wakes. */
void hibernate_read(struct gateway *g, struct client *c);
void hibernate_wake(struct gateway *g, struct client *c);
/* Out of the line and of the books; wakes the instance so that it sees the end. */
void hibernate_ended(struct gateway *g, struct client *c);
/* A ticket of this instance may be free. */
void hibernate_serve(struct gateway *g, struct instance *i);
void hibernate_serve_all(struct gateway *g);
void hibernate_instance_down(struct gateway *g, struct instance *i);

#endif
