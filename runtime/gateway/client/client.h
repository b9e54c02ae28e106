/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of clients: accepted, read, served one request after the other, closed. */
#ifndef EBB_GATEWAY_CLIENT_H
#define EBB_GATEWAY_CLIENT_H

#include "runtime/gateway/exchange/events.h"

/* An unfinished head of at most so much waits beside its client and not in a buffer. */
#define STASH_BYTES 1024u

/* events.c */
/* c may be anything behind it, also free. */
void client_happens(struct gateway *g, struct client *c, enum exchange_event event);
void client_on_recv(void *self, const struct ring_event *e);
void client_on_send(void *self, const struct ring_event *e);
void client_on_poll(void *self, const struct ring_event *e);
void client_on_gone(void *self, const struct ring_event *e);
void client_on_timer(struct gateway *g, struct client *c);

/* client.c */
extern const struct exchange_user client_exchange_user;
/* The verdict of a handler: VERDICT_STAY, or VERDICT_CUT. */
void client_act(struct gateway *g, struct client *c, enum verdict v);
/* Ends the connection and all that was under way for it. */
void client_close(struct gateway *g, struct client *c);
/* A session is over: nothing is left to send. */
void client_leave(struct gateway *g, struct client *c);
/* The last words of a connection. */
void client_farewell(struct gateway *g, struct client *c, const char *text, uint32_t size);
/* Its further bytes are read, but not understood, or a RST would lose our last words. */
enum verdict client_linger(struct gateway *g, struct client *c);
/* The same with the rest of a request that was answered early. */
enum verdict client_discard(struct gateway *g, struct client *c);
/* Ready for the first request. */
enum verdict client_begin(struct gateway *g, struct client *c);

/* accept.c */
void client_on_accept(void *self, const struct ring_event *e);
/* No new clients, and those between two requests end. */
void client_drain(struct gateway *g);

/* slots.c */
int clients_init(struct gateway *g); /* 0 or -ENOMEM */
/* NULL if the slab has none. */
struct client *client_slot(struct gateway *g);
/* A client whose bytes another one carries (an HTTP/2 stream), for one exchange. NULL: no slot. */
struct client *client_open_carried(struct gateway *g, const struct client *carrier,
				   const struct stream_carrier *by);
/* A closing client whose last completion came goes back to the slab. */
void client_settle(struct gateway *g, struct client *c);
/* Draining is over when nobody is left, and nobody can come. */
void clients_stop_if_empty(struct gateway *g);

/* A client that speaks HTTP/2, as the others of this floor see it; h2/ is above them. */
struct session_user {
	/* Whether a new connection begins so: 1, 0 = too short to say, -1 = no. */
	int (*is_preface)(const struct gateway *g, const struct client *c);
	void (*begin)(struct gateway *g, struct client *c);
	void (*received)(struct gateway *g, struct client *c);
	void (*sent)(struct gateway *g, struct client *c);
	void (*timer)(struct gateway *g, struct client *c);
	void (*ended)(struct gateway *g, struct client *c);
	void (*drain)(struct gateway *g, struct client *c);
};

#endif
