/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer. An exchange lives in its client, which serves one at a time; a client
 * is a connection, or a stream of one that speaks HTTP/2.
 *
 * An event happens to an exchange. Its handler (run.c has the table) changes what it must
 * and returns a verdict; exchange_run alone answers, gives tickets back, and ends connections.
 */
#ifndef EBB_GATEWAY_EXCHANGE_H
#define EBB_GATEWAY_EXCHANGE_H

#include "runtime/base/chain.h"
#include "runtime/gateway/body/flow.h"
#include "runtime/gateway/exchange/errors.h"
#include "runtime/gateway/message/address.h"
#include "runtime/wire/records.h"

struct gateway;

#define REQUEST_ID_SIZE 32
#define PEER_SIZE       46

enum relay_way { RELAY_UP, RELAY_DOWN }; /* client to instance, instance to client */

/* Facts of its head, once and for all. */
struct request_traits {
	bool head; /* the method */
	bool idempotent, http_10, upgrade, timing, wants_trailers;
	bool awaits_100; /* its body comes behind "100 Continue" */
	bool last;       /* of its connection, by its own word or by our limit */
	bool noted;      /* its head, for the access log */
	bool grpc;       /* by its content-type, if it came over HTTP/2 */
};

/* How it goes with the present upstream; anew with each. */
struct attempt {
	bool fresh;     /* on no pooled connection: one was over as it was used */
	bool reused;    /* it went out on a pooled connection */
	bool http2;     /* the instance gets it so */
	bool got_bytes; /* of an answer */
	bool unsent;    /* the kernel took nothing of it: the connection was over */
	bool broken;    /* it takes no more */
	bool reusable;  /* says the head of the answer */
};

/* The answer, as the client gets it. */
struct answer {
	uint16_t status;    /* 0 none */
	uint8_t error;      /* enum edge_error: of an answer of ours */
	uint8_t interims;   /* 1xx heads that came before it */
	uint8_t reset_code; /* of a stream of HTTP/2 that breaks off */
	bool last;          /* its head says that the connection ends behind it */
};

/* How it came to its instance, the dearest last. */
enum start { START_WARM, START_THAW, START_COLD };

/* The right to have work open on an instance. */
enum ticket { TICKET_NONE, TICKET_HELD, TICKET_THAWED /* taking it thawed the instance */ };

struct exchange {
	uint32_t service;          /* STATS_NO_SERVICE until it is known */
	uint32_t upstream;         /* index + 1 */
	uint32_t slot, generation; /* of the instance that has it, or had it last */
	struct request_traits is;
	struct attempt sent;
	struct answer answer;
	uint8_t ticket;           /* enum ticket; in the states that say so, see CLIENT_STATES */
	uint8_t start;            /* enum start */
	uint8_t attempts, deaths; /* instances that died under it */
	uint8_t nacks;
	uint8_t chosen; /* enum wire_choice_reason, once it was dispatched */
	uint64_t arrived_ns, dispatched_ns, thaw_ns, answered_ns;
	uint64_t sent_ns;                        /* to the present instance; 0: to none yet */
	uint64_t kind;                           /* of request: method and path */
	uint64_t died_ns;                        /* when the last of `deaths` was counted */
	uint32_t failed_slot, failed_generation; /* the instance that failed under it last */
	/* The head as written, and the first bytes of the body. Empty: it cannot be sent again, as
	 * it was answered or more of its body was sent than this holds; see held.h. */
	struct chunk request;
	char *deadline_at; /* of x-ebb-deadline inside it */
	struct flow up, down;
	char id[REQUEST_ID_SIZE];
};

/* clang-format off */
/* name, whether it owns a ticket (for as long as its instance is up), whether it has an upstream,
 * whether it has an exchange, which is accounted for when it leaves these states. From QUEUED to
 * JUDGED an exchange is open; exchange_check claims the first two columns after each event. */
#define CLIENT_STATES(X) \
	X(FREE,         false, false, false) \
	X(PROXY,        false, false, false) /* must say first whom it speaks for */ \
	X(HEAD,         false, false, false) /* between requests, or a head is incomplete */ \
	X(SESSION,      false, false, false) /* carries others: HTTP/2 */ \
	X(READY,        false, false, true) /* its request is here: it is to be dispatched or refused now */ \
	X(QUEUED,       false, false, true) /* no instance had room */ \
	X(WAITS_SOCKET, true,  false, true) /* no socket to that instance is left */ \
	X(ASKED,        true,  true,  true)  /* the request is on its way, or all of it was sent */ \
	X(ANSWERING,    true,  true,  true)  /* the head of the answer was sent */ \
	X(TUNNEL,       true,  true,  true)  /* a 101 was sent; see tunnel.h */ \
	X(SPARED,       false, true,  true)  /* so, woken while its instance drains: it ends without one */ \
	X(ASLEEP,       false, true,  true)  /* so, and silent; see hibernate.c */ \
	X(WAKING,       false, true,  true)  /* so, in line for a ticket */ \
	X(DOUBT,        true,  false, true) /* the upstream died: waits for ebbd to say why, then again */ \
	X(LOST,         true,  false, true) /* the same, but it may not be sent again */ \
	X(JUDGED,       false, false, true) /* waits for what ebbd thinks of its kind, then again */ \
	X(FINISHING,    false, false, true) /* answered; the last bytes are being sent */ \
	X(PARTING,      false, false, false) /* so, and its carrier has yet to send the end */ \
	X(DISCARD,      false, false, false) /* answered early: the rest of its body goes nowhere */ \
	X(FAREWELL,     false, false, false) /* last words of a connection, to no request */ \
	X(LINGER,       false, false, false) /* further bytes are discarded: a RST would lose the answer */ \
	X(CLOSING,      false, false, false)
/* clang-format on */

enum client_state {
#define X(name, ticket, upstream, exchange) CLIENT_##name,
	CLIENT_STATES(X)
#undef X
		CLIENT_STATE_COUNT
};

/* The columns, a bit for each state. */
enum client_states {
#define X(name, ticket, upstream, exchange) | (uint32_t)(ticket) << CLIENT_##name
	STATES_WITH_TICKET = 0 CLIENT_STATES(X),
#undef X
#define X(name, ticket, upstream, exchange) | (uint32_t)(upstream) << CLIENT_##name
	STATES_WITH_UPSTREAM = 0 CLIENT_STATES(X),
#undef X
#define X(name, ticket, upstream, exchange) | (uint32_t)(exchange) << CLIENT_##name
	STATES_WITH_EXCHANGE = 0 CLIENT_STATES(X),
#undef X
};
_Static_assert(CLIENT_STATE_COUNT < 31, "a bit for each state");

static inline bool client_state_has_ticket(enum client_state state)
{
	return (unsigned int)STATES_WITH_TICKET >> state & 1;
}
static inline bool client_state_has_upstream(enum client_state state)
{
	return (unsigned int)STATES_WITH_UPSTREAM >> state & 1;
}
static inline bool client_state_has_exchange(enum client_state state)
{
	return (unsigned int)STATES_WITH_EXCHANGE >> state & 1;
}

/* Of the last look at a client's pace. */
struct pace {
	uint64_t next_ns, received, acked;
	bool for_body, for_reader; /* the awaited thing is here */
};

struct client {
	struct stream s; /* first: completions are of streams */
	enum client_state state;
	bool eof;
	struct chain in_line; /* of a queue; for a socket, or for a ticket again */
	uint32_t session;     /* CLIENT_SESSION: its number */
	uint32_t head_seen;
	uint64_t deadline_ns;
	struct pace pace;
	struct address address;
	bool trusted, counted; /* believed about others; in the table of addresses */
	uint32_t requests;
	uint32_t peer_size;
	char peer[PEER_SIZE];
	struct exchange x;
	char label[BLAME_LABEL_SIZE]; /* of an open request that is not held any more */
};

/* Its request is here, and its answer is not. */
static inline bool client_is_open(const struct client *c)
{
	return c->state >= CLIENT_QUEUED && c->state <= CLIENT_JUDGED;
}
/* It has an upstream. */
static inline bool client_is_joined(const struct client *c)
{
	return c->state >= CLIENT_ASKED && c->state <= CLIENT_WAKING;
}
static inline bool client_is_tunnel(const struct client *c)
{
	return c->state >= CLIENT_TUNNEL && c->state <= CLIENT_WAKING;
}

/* The verdict about an event. A handler changes the exchange and says so; it never ends it. */
enum verdict {
	VERDICT_STAY,     /* it waits for the next event, in the state it is in now */
	VERDICT_AGAIN,    /* READY: the instance that is best now is to have it */
	VERDICT_RECEIVED, /* its whole answer is here: upstream and ticket are free */
	VERDICT_FAREWELL, /* a tunnel is over: see tunnel_over */
	VERDICT_FAILED,   /* it gets an error of ours: see exchange_fail */
	VERDICT_CUT,      /* its connection ends */
};

/* The error that a client is about to get. */
struct failure {
	const struct client *client;
	enum edge_error error;
	uint32_t retry_after_s; /* 0: as the error's row says */
	char text[600];         /* longer ones are cut */
};

/* exchange.c */
/* Says what error c gets. Always VERDICT_FAILED. */
enum verdict exchange_fail(struct gateway *g, const struct client *c, enum edge_error e,
			   uint32_t retry_after_s, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* "warm", "thaw" or "cold" */
const char *exchange_start_name(const struct exchange *x);
/* The only place where a state is set. */
void client_enter(struct client *c, enum client_state state);
const char *client_state_name(enum client_state state);
/* Claims that c has what its state says, and nothing else. */
void exchange_check(const struct gateway *g, const struct client *c);
void exchange_set_deadline(struct gateway *g, struct client *c, uint64_t when_ns);
/* Parts it from its upstream, which may serve another request if it is reusable. */
void exchange_part(struct gateway *g, struct client *c, bool reusable);

#endif
