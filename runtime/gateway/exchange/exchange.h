/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer. An exchange lives in its client, which serves one at a time; a client
 * is a connection, or a stream of one that speaks HTTP/2.
 *
 * Functions that end a client (exchange_close and its callers) leave the slot unusable for the
 * caller: return at once.
 */
#ifndef EBB_GATEWAY_EXCHANGE_H
#define EBB_GATEWAY_EXCHANGE_H

#include "runtime/gateway/body/flow.h"
#include "runtime/gateway/message/address.h"
#include "runtime/wire/records.h"

struct gateway;

#define REQUEST_ID_SIZE 32
#define PEER_SIZE       46

enum relay_way { RELAY_UP, RELAY_DOWN }; /* client to instance, instance to client */

struct exchange {
	uint32_t service;
	uint32_t upstream; /* index + 1 */
	uint32_t slot, generation, revision_seen;
	bool has_ticket, counted;
	bool method_is_head, idempotent, http_10, keep_alive, upgrade, timing, wants_continue;
	bool wants_trailers;
	bool cold, thawed;         /* how it started */
	bool fresh_only;           /* a pooled connection failed: use a new one */
	bool reused;               /* sent on a pooled connection */
	bool body_gone;            /* more was sent than request holds: cannot be sent again */
	bool labelled;             /* label is of this request */
	bool got_bytes, head_sent; /* of the response */
	bool unsent;               /* the kernel took nothing of it: the connection was over */
	bool reusable, up_broken, tunnel;
	uint8_t attempts, deaths; /* instances that died under it */
	uint8_t interims;         /* 1xx heads that came */
	bool may_repeat;          /* in CLIENT_DOUBT: what to do then */
	bool http2;               /* its instance got it so */
	bool grpc;                /* by its content-type, if it came over HTTP/2 */
	uint8_t reset_code;       /* for a client that speaks HTTP/2 */
	uint8_t nacks;
	bool open;            /* not accounted for yet, see account.h */
	bool routed, aborted; /* service is known; the client went away before the end */
	uint8_t chosen;       /* enum wire_choice_reason, once it was dispatched */
	uint16_t status;      /* as the client got it; 0 none */
	uint8_t error;        /* enum edge_error: of an answer of ours */
	uint64_t arrived_ns, dispatched_ns, thaw_ns, answered_ns;
	uint64_t sent_ns;                        /* to the present instance */
	uint64_t kind;                           /* of request: method and path */
	uint64_t died_ns;                        /* when the last of `deaths` was counted */
	uint32_t failed_slot, failed_generation; /* the instance that failed under it last */
	struct chunk request; /* the head as written, and the first bytes of the body */
	char *deadline_at;    /* of x-ebb-deadline inside it */
	struct flow up, down;
	char id[REQUEST_ID_SIZE];
};

enum client_state {
	CLIENT_FREE,
	CLIENT_PROXY,        /* must say first whom it speaks for */
	CLIENT_HEAD,         /* between requests, or a head is incomplete */
	CLIENT_SESSION,      /* carries others: HTTP/2 */
	CLIENT_QUEUED,       /* no instance had room */
	CLIENT_WAITS_SOCKET, /* has a ticket, no socket to that instance is left */
	CLIENT_ACTIVE,       /* joined to an upstream */
	CLIENT_DOUBT,        /* the upstream died: waits a moment for ebbd to say why */
	CLIENT_FINISHING,    /* answered; the last bytes are being sent */
	CLIENT_DISCARD, /* answered early: the rest of the body goes nowhere, then the next request
			 */
	CLIENT_LINGER,  /* discards what still comes, so that the answer is not lost to a RST */
	CLIENT_CLOSING,
};

/* Of the last look at a client's pace. */
struct pace {
	uint64_t next_ns, received, acked;
	bool for_body, for_reader; /* what was waited for */
};

struct client {
	struct stream s; /* first: completions are of streams */
	enum client_state state;
	bool eof;
	uint32_t chain_next, chain_prev; /* of queue or socket waiters, client + 1 */
	bool spoke;                      /* it had a request before */
	uint32_t session;                /* CLIENT_SESSION: its number */
	uint32_t head_seen;
	uint64_t deadline_ns;
	struct pace pace;
	struct address address;
	bool trusted, counted; /* believed about others; in the table of addresses */
	uint32_t requests;
	uint32_t peer_size;
	char peer[PEER_SIZE];
	struct exchange x;
	char label[BLAME_LABEL_SIZE]; /* of a request that is not held any more, see blame.c */
};

/* exchange.c */
void exchange_set_deadline(struct gateway *g, struct client *c, uint64_t when_ns);
/* The exchange is over and everything sent: next request, or the end of the connection. */
void exchange_next(struct gateway *g, struct client *c);
/* Ends the connection and whatever was under way for it. */
void exchange_close(struct gateway *g, struct client *c);
/* Parts it from its upstream, which may serve another request if it is reusable. */
void exchange_part(struct gateway *g, struct client *c, bool reusable);
/* Leaves the upstream, with the ticket, to be ended by its instance; the caller answers c. */
void exchange_leave(struct gateway *g, struct client *c);

#endif
