/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer. An exchange lives in its client, which serves one at a time; a client
 * is a connection, or a stream of a connection that speaks HTTP/2.
 *
 * An event happens to an exchange. Its handler (events.c has the table) changes what it must and
 * returns a verdict. run.c alone acts on verdicts: it answers, gives tickets back, and ends
 * connections.
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

/* Facts about the head of the request, which never change. */
struct request_traits {
	bool head; /* the method */
	bool idempotent, http_10, upgrade, timing, wants_trailers;
	bool awaits_100; /* the client sends its body after "100 Continue" */
	bool last;       /* the last one of its connection: its own word, or our limit */
	bool noted;      /* account.c noted the head for the access log */
	bool accounted;  /* its end is counted and logged */
	bool grpc;       /* its content-type says so, and it came over HTTP/2 */
};

/* The present attempt, on one upstream; zeroed for the next instance. */
struct attempt {
	bool fresh;     /* must not go out on a pooled connection: one was over as it was used */
	bool reused;    /* went out on a pooled connection */
	bool http2;     /* went out over HTTP/2 */
	bool got_bytes; /* bytes of an answer came */
	bool unsent;    /* the kernel took no byte: the connection was over */
	bool broken;    /* the connection takes no more bytes */
	bool reusable;  /* the connection may serve another request, says the head of the answer */
};

/* The answer, as the client gets it. */
struct answer {
	uint16_t status;    /* 0 none */
	uint8_t error;      /* enum edge_error, if ebb made the answer */
	uint8_t interims;   /* 1xx heads that came before the answer */
	uint8_t reset_code; /* error code of HTTP/2 for an answer that breaks off */
	bool last;          /* its head says that the connection ends behind it */
};

/* How the request found its instance, the dearest way last. */
enum start { START_WARM, START_THAW, START_COLD };

/* The right to have work open on an instance. */
enum ticket {
	TICKET_NONE,
	TICKET_HELD,
	TICKET_THAWS,  /* taking it made a frozen instance RUNNING: ticket_thaw must follow */
	TICKET_THAWED, /* and did */
};

struct exchange {
	uint32_t service;          /* STATS_NO_SERVICE until it is known */
	uint32_t upstream;         /* index + 1; 0 = none */
	uint32_t slot, generation; /* of the instance that has the request, or had it last */
	struct request_traits is;
	struct attempt sent;
	struct answer answer;
	uint8_t ticket;           /* enum ticket; held in the states that CLIENT_STATES says */
	uint8_t start;            /* enum start */
	uint8_t attempts, deaths; /* deaths: instances that died under it */
	uint8_t nacks;
	uint8_t depth;  /* of calls through bindings; 0: a public request */
	uint8_t chosen; /* enum wire_choice_reason, once a ticket was taken */
	uint64_t arrived_ns, dispatched_ns, thaw_ns, answered_ns;
	uint64_t sent_ns;                        /* when it was last sent; 0: never */
	uint64_t kind;                           /* blame_kind of method and path */
	uint64_t died_ns;                        /* when the last death was counted */
	uint32_t failed_slot, failed_generation; /* the instance that last failed under it */
	/* The head as written, and the first bytes of the body. Empty: the request cannot be sent
	 * again, because it was answered or because more of its body was sent than fits here; see
	 * held.h. */
	struct chunk request;
	struct chunk fields; /* header lines that rules add to the answer; size 0: none */
	char *deadline_at;   /* the digits of x-ebb-deadline in the request */
	struct flow up, down;
	char id[REQUEST_ID_SIZE];
};

/* clang-format off */
/* name; whether the client owns a ticket (for as long as its instance is up); whether it has an
 * upstream; whether it has an exchange, which is accounted for when the client leaves these states.
 * From QUEUED to JUDGED an exchange is open. exchange_check claims the first two columns after each
 * event. */
#define CLIENT_STATES(X) \
	X(FREE,         false, false, false) \
	X(PROXY,        false, false, false) /* must send a PROXY header first */ \
	X(HEAD,         false, false, false) /* between two requests, or its head is incomplete */ \
	X(SESSION,      false, false, false) /* speaks HTTP/2: carries other clients */ \
	X(READY,        false, false, true) /* its head was read: dispatched or refused now */ \
	X(QUEUED,       false, false, true) /* no instance had room */ \
	X(WAITS_SOCKET, true,  false, true) /* in line for a socket to its instance */ \
	X(ASKED,        true,  true,  true)  /* the request is being sent, or was sent */ \
	X(ANSWERING,    true,  true,  true)  /* the head of the answer was given to it */ \
	X(TUNNEL,       true,  true,  true)  /* a 101 was sent; see tunnel.h */ \
	X(SPARED,       false, true,  true)  /* a tunnel, woken while its instance drains */ \
	X(ASLEEP,       false, true,  true)  /* a silent tunnel; see hibernate.c */ \
	X(WAKING,       false, true,  true)  /* a tunnel in line for a ticket */ \
	X(DOUBT,        true,  false, true) /* its upstream failed: awaits the cause */ \
	X(LOST,         true,  false, true) /* as DOUBT, but its request may not be sent again */ \
	X(JUDGED,       false, false, true) /* waits for ebbd to judge its kind, then again */ \
	X(FINISHING,    false, false, true) /* answered; the last bytes are being sent */ \
	X(PARTING,      false, false, false) /* answered; its carrier has yet to send the end */ \
	X(DISCARD,      false, false, false) /* answered early: the rest of its body is dropped */ \
	X(FAREWELL,     false, false, false) /* last words of a connection without a request */ \
	X(LINGER,       false, false, false) /* drops further bytes; a RST could lose ours */ \
	X(CLOSING,      false, false, false)
/* clang-format on */

enum client_state {
#define X(name, ticket, upstream, exchange) CLIENT_##name,
	CLIENT_STATES(X)
#undef X
		CLIENT_STATE_COUNT
};

/* The columns of CLIENT_STATES, a bit for each state. */
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

/* The result of the last look at the pace of a client; see pace.c. */
struct pace {
	uint64_t next_ns, received, acked;
	/* The gateway waits for bytes of the body of the client; for the client to read the answer.
	 */
	bool for_body, for_reader;
};

struct client {
	struct stream s; /* first */
	enum client_state state;
	bool eof;
	struct chain in_line; /* in a queue, or in line for a socket or a ticket */
	uint32_t session;     /* in CLIENT_SESSION: the number of its session */
	uint32_t head_seen;
	uint64_t deadline_ns;
	struct pace pace;
	struct address address;
	bool trusted, counted; /* believed about others; in the table of addresses */
	/* Of a connection through a binding: the number of that binding among all, + 1; 0: a public
	 * client. */
	uint32_t binding, caller_generation;
	bool delivery; /* a connection of ebb-flow */
	uint32_t requests;
	uint32_t peer_size;
	char peer[PEER_SIZE];
	struct exchange x;
	char label[BLAME_LABEL_SIZE]; /* name of an open request that is not held any more */
};

/* Requests that come from within ebb: no rule of a site holds for them, and public ones go before.
 */
static inline bool client_is_inside(const struct client *c)
{
	return c->binding > 0 || c->delivery;
}

/* Its request was dispatched or queued, and has no whole answer yet. */
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

/* The verdict about an event. A handler changes the exchange and returns a verdict; it never ends
 * the exchange itself. */
enum verdict {
	VERDICT_STAY,     /* waits for the next event, in the state it is in now */
	VERDICT_AGAIN,    /* READY: goes to the instance that is best now */
	VERDICT_RECEIVED, /* the whole answer was received: upstream and ticket are given up */
	VERDICT_FAREWELL,
	/* a tunnel is over: see tunnel_over */ VERDICT_MOVED, /* READY: gets a redirect: see
								  gateway.moved */
	VERDICT_FAILED, /* gets an error of ours: see exchange_fail */
	VERDICT_CUT,    /* the connection of the client ends */
};

/* The error that a client is about to get. */
struct failure {
	const struct client *client;
	enum edge_error error;
	uint32_t retry_after_s; /* 0: the number of the error's row */
	char text[600];         /* longer ones are cut */
};

/* exchange.c */
/* Notes the error that c gets, with a sentence for its body. retry_after_s: seconds; 0: the number
 * of its row. Always VERDICT_FAILED. */
enum verdict exchange_fail(struct gateway *g, const struct client *c, enum edge_error e,
			   uint32_t retry_after_s, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* "warm", "thaw" or "cold" */
const char *exchange_start_name(const struct exchange *x);
/* The only place where a state is set. */
void client_enter(struct client *c, enum client_state state);
const char *client_state_name(enum client_state state);
/* Claims (must) that c has what its state says, and nothing else. */
void exchange_check(const struct gateway *g, const struct client *c);
/* when_ns: CLOCK_MONOTONIC. EVENT_TIMER comes then, or earlier. */
void exchange_set_deadline(struct gateway *g, struct client *c, uint64_t when_ns);
/* Parts c from its upstream, if it has one. reusable: the upstream may serve another request. */
void exchange_part(struct gateway *g, struct client *c, bool reusable);

#endif
