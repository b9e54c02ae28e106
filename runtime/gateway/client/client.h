/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of clients: accepted, read, served one request after the other, closed. */
#ifndef EBB_GATEWAY_CLIENT_H
#define EBB_GATEWAY_CLIENT_H

#include "runtime/gateway/exchange/events.h"

/* An unfinished head of at most this many bytes waits in memory beside its client, not in a buffer.
 */
#define STASH_BYTES 1024u

/* events.c */
/* Something happened to c. When this returns, c may be in any state, also free. */
void client_happens(struct gateway *g, struct client *c, enum exchange_event event);
void client_on_recv(void *self, const struct ring_event *e);
void client_on_send(void *self, const struct ring_event *e);
void client_on_poll(void *self, const struct ring_event *e);
void client_on_gone(void *self, const struct ring_event *e);
void client_on_timer(struct gateway *g, struct client *c);

/* client.c */
extern const struct exchange_user client_exchange_user;
/* Acts on the verdict of a handler: VERDICT_STAY, or VERDICT_CUT, which closes c. */
void client_act(struct gateway *g, struct client *c, enum verdict v);
/* Ends the connection and all that was under way for it. */
void client_close(struct gateway *g, struct client *c);
/* An HTTP/2 session is over and has nothing left to send: reads and drops further bytes, then
 * closes. */
void client_leave(struct gateway *g, struct client *c);
/* Sends text (static) as the last words of a connection. */
void client_farewell(struct gateway *g, struct client *c, const char *text, uint32_t size);
/* Ends the sending side and reads further bytes without understanding them: closing with unread
 * bytes would send a RST, which could destroy our last words. */
enum verdict client_linger(struct gateway *g, struct client *c);
/* Reads and drops the rest of a request that was answered early; the connection then goes on. */
enum verdict client_discard(struct gateway *g, struct client *c);
/* Begins to wait for the first request. VERDICT_CUT: the address has too many connections. */
enum verdict client_begin(struct gateway *g, struct client *c);

/* accept.c */
void client_on_accept(void *self, const struct ring_event *e);
/* Takes no new clients, and ends those that are between two requests. */
void client_drain(struct gateway *g);
/* Another gateway accepts from now on. No connection is closed behind a client's back: each ends
 * with its next answer, or as it would have ended. */
void client_retire(struct gateway *g);

/* slots.c */
int clients_init(struct gateway *g); /* 0 or -ENOMEM */
/* A free client in CLIENT_HEAD. NULL: the slab has none. */
struct client *client_slot(struct gateway *g);
/* A client for one exchange, without a socket: another client carries its bytes (an HTTP/2 stream).
 * NULL: no slot is free. */
struct client *client_open_carried(struct gateway *g, const struct client *carrier,
				   const struct stream_carrier *by);
/* Puts a closing client back into the slab, once its last completion came. */
void client_settle(struct gateway *g, struct client *c);
/* Stops the loop if the gateway drains, no client is left and none can come. */
void clients_stop_if_empty(struct gateway *g);

/* The functions of h2/ for a client that speaks HTTP/2. This floor calls them through a table,
 * because h2/ is above it. */
struct session_user {
	/* Whether a connection begins with the preface of HTTP/2: 1 yes, -1 no, 0 too few bytes to
	 * say. */
	int (*is_preface)(const struct gateway *g, const struct client *c);
	void (*begin)(struct gateway *g, struct client *c);
	void (*received)(struct gateway *g, struct client *c);
	void (*sent)(struct gateway *g, struct client *c);
	void (*timer)(struct gateway *g, struct client *c);
	void (*ended)(struct gateway *g, struct client *c);
	void (*drain)(struct gateway *g, struct client *c);
	/* Another gateway takes new connections: the peer is to open its next one soon. */
	void (*retire)(struct gateway *g, struct client *c);
};

#endif
