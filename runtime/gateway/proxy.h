/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heart of the gateway: clients, upstreams and the exchanges that join them. Private to the
 * files that implement it (client, request, dispatch, upstream, relay, splice, reply, control).
 *
 * An exchange is one request and its answer; it lives in its client, which serves one at a time.
 *   request.c   parse, route, write the request anew
 *   dispatch.c  choose an instance, ticket, thaw, queue, retry; every ticket is given back once,
 * here upstream.c  connections to instances, pool, response head relay.c     bodies and tunnels,
 * both ways; splice.c when they are large reply.c     answers made by ebb
 *
 * Functions that end a client (client_close and what calls it) leave the slot unusable for the
 * caller: return at once.
 */
#ifndef EBB_GATEWAY_PROXY_H
#define EBB_GATEWAY_PROXY_H

#include "runtime/gateway/account.h"
#include "runtime/gateway/addresses.h"
#include "runtime/gateway/counters.h"
#include "runtime/gateway/instances.h"
#include "runtime/gateway/stream.h"
#include "runtime/gateway/timers.h"
#include "runtime/gateway/tunnel.h"
#include "runtime/http/head.h"
#include "runtime/http/trace.h"

#define REQUEST_ID_SIZE 32
#define PEER_SIZE       46
#define PIPES_MAX       64
/* An unfinished head of at most so much waits beside its client and not in a buffer. */
#define STASH_BYTES 1024u

enum relay_way { RELAY_UP, RELAY_DOWN }; /* client to instance, instance to client */

/* A body on its way. in_done: all of it was received; done: and sent. */
struct flow {
	enum http_framing in, out;
	uint64_t left; /* in == HTTP_LENGTH: bytes not yet received */
	uint64_t max;  /* bytes it may still have */
	struct http_chunked chunks;
	bool in_done, done;
	bool end_framed;       /* the last chunk went with the last bytes */
	struct chunk trailers; /* as received, if they are kept */
	uint32_t pipe;         /* pipe + 1 while spliced */
	uint32_t in_pipe;      /* bytes */
	uint64_t bytes;        /* of the body so far, without framing */
};

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
	const char *error;    /* x-ebb-error of an answer of ours */
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

struct upstream {
	struct stream s; /* first */
	uint32_t client; /* index + 1; 0 while pooled or closing */
	uint32_t slot, generation;
	uint32_t idle_next, idle_prev; /* of the instance's pool, upstream + 1 */
	uint32_t freezes;              /* of the instance, when it was pooled */
	bool cancelling, has_ticket;   /* see cancel.c */
	uint32_t service;              /* while it has a ticket */
	bool idle, unproven;           /* unproven: no byte came yet, maybe not even accepted */
	bool connected;
	uint8_t before; /* enum before */
	uint8_t looks;  /* at whether it was accepted */
	uint32_t epoch; /* of the instance, when it was connected */
	bool looking;   /* whether it said something before it was asked */
	uint32_t head_seen;
	uint32_t session; /* + 1: it carries others, see h2up.h */
	uint64_t idle_until_ns;
};

/* A kind of request that was in flight when instances died; until_ns 0 = only watched. */
#define BANS_MAX 64
struct ban {
	bool used;
	uint32_t service;
	uint64_t kind, until_ns, put_ns;
	char text[ERROR_TEXT_SIZE];
};

struct pipe_pair {
	int ends[2];
};

/* The doorbell waits this many rounds of the loop, so that the answer is on its way before. */
#define BELL_AFTER 2

struct proxy {
	uint32_t bell; /* rounds until the doorbell is rung; 0 = no need */
	struct stream_io io;
	struct timers timers;
	struct routes routes;
	struct instances instances;
	struct board *board;
	struct counters count;
	struct account account;
	struct wire_gateway_config config;
	int control_fd, doorbell_fd, signal_fd;
	int listener_fds[LISTENERS_MAX];
	bool listener_armed[LISTENERS_MAX];
	bool draining, control_blocked;
	bool routes_known; /* what matches no service has none */
	uint32_t room_due; /* instances to be asked for room again, slot + 1 */

	struct client *clients;
	struct upstream *upstreams;
	struct h2 *h2;
	struct h2up *h2up;
	uint32_t client_count, upstream_count; /* sizes of the slabs */
	uint32_t *free_clients, *free_upstreams;
	uint32_t free_client_count, free_upstream_count;
	uint32_t queued;        /* in all services */
	bool need_due;          /* ebbd is to be told of some queue at the next coarse tick */
	bool choice_due;        /* or of some choice */
	struct tunnel *tunnels; /* by client */
	uint32_t wakers;        /* WebSockets in line for a ticket, of all instances */
	bool serving_wakers;
	struct addresses addresses;
	char *stashes; /* STASH_BYTES for each client */

	uint32_t mark_count, marked[SERVICES_MAX]; /* to be told to ebbd before waiting */
	uint8_t marks[SERVICES_MAX];               /* and what of each, see control.c */
	uint64_t *starved; /* streams that wait for a buffer: op and index */
	uint32_t starved_count;

	struct ban bans[BANS_MAX];
	uint32_t ban_count, next_ban;

	struct pipe_pair pipes[PIPES_MAX];
	uint32_t free_pipes[PIPES_MAX], free_pipe_count;

	uint64_t id_seed, id_next;
	uint64_t date_s; /* what date says */
	char date[HTTP_DATE_SIZE];
	uint64_t real_offset_ns, real_checked_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
	struct http_head head;                    /* scratch of the parser */
	char looked_at;                           /* a byte that nobody reads, see upstream.c */
};

static inline uint64_t proxy_now(const struct proxy *p)
{
	return p->io.loop->now_ns;
}
static inline struct upstream *client_upstream(struct proxy *p, struct client *c)
{
	return c->x.upstream ? &p->upstreams[c->x.upstream - 1] : NULL;
}
static inline struct client *upstream_client(struct proxy *p, struct upstream *u)
{
	return u->client ? &p->clients[u->client - 1] : NULL;
}

/* client.c */
void client_on_accept(void *self, const struct loop_event *e);
void client_on_recv(void *self, const struct loop_event *e);
void client_on_send(void *self, const struct loop_event *e);
void client_on_poll(void *self, const struct loop_event *e);
void client_on_gone(void *self, const struct loop_event *e);
void client_on_timer(struct proxy *p, struct client *c);
void client_arm_accept(struct proxy *p);
void client_set_deadline(struct proxy *p, struct client *c, uint64_t when_ns);
/* The exchange is over and everything sent: next request, or the end of the connection. */
void client_next(struct proxy *p, struct client *c);
/* Ends the connection and whatever was under way for it. */
void client_close(struct proxy *p, struct client *c);
void client_drain(struct proxy *p);
/* A client whose bytes another one carries (an HTTP/2 stream), for one exchange. NULL: no slot. */
struct client *client_open_carried(struct proxy *p, const struct client *carrier,
				   const struct stream_carrier *by);
/* A session is over: nothing is left to send. */
void client_leave(struct proxy *p, struct client *c);
/* The last words of a connection. */
void client_farewell(struct proxy *p, struct client *c, const char *text, uint32_t size);
/* c->s.in has new bytes; everything given to c->s was sent. */
void client_received(struct proxy *p, struct client *c);
void client_sent(struct proxy *p, struct client *c);
/* Ready for the first request. */
void client_begin(struct proxy *p, struct client *c);

/* peer.c */
void peer_note(struct proxy *p, struct client *c);
/* Counts the connection. False: its address has too many. */
bool peer_admit(struct proxy *p, struct client *c);
void peer_forget(struct proxy *p, struct client *c);
/* Whether connections of this listener begin with a PROXY header. */
bool peer_must_introduce(const struct proxy *p, uint32_t listener);
void peer_read_introduction(struct proxy *p, struct client *c);

/* pace.c */
void pace_begin(struct proxy *p, struct client *c);
/* True if the client was too slow, and is gone or answered. */
bool pace_check(struct proxy *p, struct client *c);

/* request.c */
void request_read(struct proxy *p, struct client *c);
/* Answers what was no request: nothing of it is believed, the connection ends. */
void request_refuse(struct proxy *p, struct client *c, int status, const char *why);
/* More came of a head than fits. */
void request_too_large(struct proxy *p, struct client *c);
void request_body_too_large(struct proxy *p, struct client *c);
/* Gives the written request back, once it can no longer be needed. */
void request_drop(struct proxy *p, struct client *c);
/* Its chunked body ended: the last chunk belongs to it too. */
void request_ended(struct proxy *p, struct client *c);
/* Makes it independent of an upstream that may still be sending it. */
void request_unshare(struct proxy *p, struct client *c);
uint64_t proxy_real_ms(struct proxy *p, uint64_t mono_ns);
uint64_t proxy_real_us(struct proxy *p, uint64_t mono_ns);
/* Now, as the Date field has it. */
struct http_slice proxy_date(struct proxy *p);

/* load.c: what goes to the board for the supervisor to judge by */
void load_first_byte(struct proxy *p, const struct client *c);
/* It has answered: after nacks that may mean room. */
void load_answered(struct proxy *p, const struct client *c);
/* It did not begin with it, and says so: the exchange goes on elsewhere or is answered. */
void load_gave_back(struct proxy *p, struct client *c);
/* True: the answer was a nack, and the exchange goes on elsewhere or is answered. */
bool load_nacked(struct proxy *p, struct client *c);

/* dispatch.c */
/* Takes the request back from its instance and sends it to whoever is best now. */
void dispatch_elsewhere(struct proxy *p, struct client *c);
void dispatch_request(struct proxy *p, struct client *c);
void dispatch_service_queue(struct proxy *p, uint32_t service);
/* Nothing starts for it any more: who waits is answered, or waits where it goes instead. */
void dispatch_service_gone(struct proxy *p, uint32_t service);
void dispatch_all_queues(struct proxy *p);
/* The upstream failed before it answered. refused: nothing can have been read by it. */
void dispatch_failed(struct proxy *p, struct client *c, bool refused, int err);
/* The request is here whole, and nothing came for it. */
bool dispatch_held(const struct client *c);
/* And it may be sent twice, and was not too often. */
bool dispatch_repeatable(const struct client *c);
/* Nobody read it, and nothing is wrong with the instance: sent to it once more. */
void dispatch_anew(struct proxy *p, struct client *c, int err);
/* Takes a ticket on the instance c is joined to once more. */
enum board_take dispatch_again(struct proxy *p, struct client *c);
/* Gives back the ticket that an upstream was left with. */
void dispatch_give(struct proxy *p, struct upstream *u);
/* Gives the ticket back (if there is one) and lets the queue have it. */
void dispatch_release(struct proxy *p, struct client *c);
/* Once a round of the loop: rings the doorbell if it is time. */
void dispatch_ring(struct proxy *p);
/* Takes the client out of queues, upstream and ticket, whatever its state. */
void dispatch_abandon(struct proxy *p, struct client *c);
void dispatch_instance_down(struct proxy *p, const struct wire_instance_down *down);
void dispatch_start_failed(struct proxy *p, const struct wire_start_failed *failed);
/* It has waited as long as it may. */
void dispatch_expired(struct proxy *p, struct client *c);
/* In CLIENT_DOUBT: the cause is known, or will not come. */
void dispatch_doubt_over(struct proxy *p, struct client *c);
/* Sockets of an instance became available. */
void dispatch_waiters(struct proxy *p, struct instance *i);

/* blame.c: which requests kill instances */
uint64_t blame_kind(struct http_slice method, struct http_slice path);
/* The request is about to be dropped: what it was is kept for people to read. */
void blame_label(struct client *c);
/* True: requests like c's are refused for now, and c is answered. */
bool blame_refuses(struct proxy *p, struct client *c);
/* An instance died by itself: everything that was in flight there is told to ebbd. */
void blame_died(struct proxy *p, const struct wire_instance_down *down, uint32_t service);
/* c is about to run again after a death, and ebbd has yet to say what it thinks of its kind. */
bool blame_awaited(struct proxy *p, const struct client *c);
void blame_put(struct proxy *p, const struct wire_ban *ban);
void blame_forget(struct proxy *p, uint32_t service); /* it was changed or removed */
/* c was answered by its instance, whole. */
void blame_answered(struct proxy *p, const struct client *c);
void blame_crashed(struct proxy *p, struct client *c); /* 502 with the cause */

/* cancel.c */
/* Leaves c's upstream, with its ticket, to be ended by its instance; the caller answers c. */
void cancel_begin(struct proxy *p, struct client *c);
void cancel_on_recv(struct proxy *p, struct upstream *u, enum stream_result r);
void cancel_on_timer(struct proxy *p, struct upstream *u);
void cancel_instance_down(struct proxy *p, uint32_t slot, uint32_t generation);

/* h2.c, h2_*.c: HTTP/2; private to them: h2.h */
int h2_init(struct proxy *p);
/* Whether what a new connection sent is the preface of HTTP/2: 1, 0 = too short to say, -1 = no. */
int h2_is_preface(const struct proxy *p, const struct client *c);
void h2_begin(struct proxy *p, struct client *c);
/* Of a client in CLIENT_SESSION: */
void h2_on_bytes(struct proxy *p, struct client *c);
void h2_on_sent(struct proxy *p, struct client *c);
void h2_on_timer(struct proxy *p, struct client *c);
void h2_end(struct proxy *p, struct client *c);
void h2_drain(struct proxy *p, struct client *c);
/* Before waiting: sends what streams have. */
void h2_flush(struct proxy *p);
bool h2_is_due(const struct proxy *p);
/* Those that waited for a buffer are due. */
void h2_retry(struct proxy *p);
uint32_t h2_open_sessions(const struct proxy *p);

/* h2up.c, h2up_*.c: HTTP/2 to instances; private to them: h2up.h */
int h2up_init(struct proxy *p);
bool h2up_attach(struct proxy *p, struct client *c, struct instance *i);
/* Of an upstream that carries others: */
void h2up_on_connect(struct proxy *p, struct upstream *u, int res);
void h2up_on_recv(struct proxy *p, struct upstream *u, enum stream_result r, int err);
void h2up_on_sent(struct proxy *p, struct upstream *u, enum stream_result r);
void h2up_on_timer(struct proxy *p, struct upstream *u);
void h2up_end(struct proxy *p, struct upstream *u);
/* Idle connections to it end; only_stale: those from before its last freeze. */
void h2up_empty(struct proxy *p, struct instance *i, bool only_stale);
/* Nobody chooses them any more: its slot is another's soon. */
void h2up_instance_down(struct proxy *p, struct instance *i);
void h2up_drain(struct proxy *p);
/* Tells the instance that the request is over. False: it never heard of it. */
bool h2up_cancel(struct proxy *p, struct upstream *u);
void h2up_flush(struct proxy *p);
bool h2up_is_due(const struct proxy *p);
void h2up_retry(struct proxy *p);
uint32_t h2up_open_sessions(const struct proxy *p);

/* queue.c */
/* Whether one more of this service may wait, so that no service takes all places. */
bool queue_has_room(const struct proxy *p, const struct service *s);
/* When to come back, by how long the first in the queue has waited. */
uint32_t queue_retry_after_s(const struct proxy *p, const struct service *s);
/* ebbd is to hear how many wait: now if it believes that none do, else with the next tick. */
void queue_tell(struct proxy *p, uint32_t service);
/* FIFOs of clients, linked through chain_next and chain_prev */
void queue_push(struct proxy *p, uint32_t *head, uint32_t *tail, struct client *c);
void queue_remove(struct proxy *p, uint32_t *head, uint32_t *tail, struct client *c);

/* upstream.c */
/* Sends c's request on a pooled or new connection. False: no socket now, the caller waits. */
bool upstream_attach(struct proxy *p, struct client *c, struct instance *i);
/* A free slot for one, without a socket; NULL. */
struct upstream *upstream_slot(struct proxy *p, struct instance *i);
/* One with a socket, which may be connected. NULL: not now, the caller waits. */
struct upstream *upstream_socket(struct proxy *p, struct instance *i);
/* with_request: the send that follows waits for it. */
void upstream_connect(struct proxy *p, struct upstream *u, struct instance *i, bool with_request);
void upstream_join(struct client *c, struct upstream *u);
/* Sends the request, which stays the exchange's. */
void upstream_ask(struct proxy *p, struct client *c, struct upstream *u);
/* Of one that is carried: s.in has new bytes, or has ended. */
void upstream_received(struct proxy *p, struct upstream *u);
/* The answer showed that it speaks another HTTP: again so, if that can be. */
void upstream_speaks(struct proxy *p, struct client *c, struct upstream *u, bool http2);
/* An idle connection's time begins; a freeze and more idling than any server allows make it stale.
 */
void upstream_idles(struct proxy *p, struct upstream *u, struct instance *i);
bool upstream_is_stale(struct proxy *p, const struct upstream *u);
/* Parts it from its client: into the pool if it is good for another request, else closed. */
void upstream_detach(struct proxy *p, struct upstream *u, bool reusable);
void upstream_close(struct proxy *p, struct upstream *u);
void upstream_empty_pool(struct proxy *p, struct instance *i);
/* Whether an idle connection to it may be kept. */
bool upstream_may_pool(const struct proxy *p, const struct instance *i);
/* Closes the pooled connections from before the last freeze. */
void upstream_drop_stale(struct proxy *p, struct instance *i);
void upstream_on_recv(void *self, const struct loop_event *e);
void upstream_on_send(void *self, const struct loop_event *e);
void upstream_on_poll(void *self, const struct loop_event *e);
void upstream_on_connect(void *self, const struct loop_event *e);
void upstream_on_look(void *self, const struct loop_event *e);
void upstream_on_timer(struct proxy *p, struct upstream *u);

/* room.c: never more connections than an instance's accept queue has room for */
/* One connect may be made. False: later, dispatch_waiters is called. */
bool room_take(struct proxy *p, struct instance *i);
void room_connecting(struct proxy *p, struct instance *i, struct upstream *u);
void room_connected(struct proxy *p, struct upstream *u, bool refused);
/* A byte came: it was accepted. */
void room_accepted(struct proxy *p, struct upstream *u);
/* Before any byte came: if nobody accepted it, it still stands in the queue. */
void room_closed(struct proxy *p, struct upstream *u);
void room_on_timer(struct proxy *p, struct upstream *u);
void room_on_answer(struct proxy *p, const struct wire_queue *queue);
void room_ask_due(struct proxy *p);

/* response.c */
/* s->in of the upstream holds bytes and the head of the response is not sent yet. */
void response_read(struct proxy *p, struct client *c, struct upstream *u);
/* The whole response was received: upstream and ticket are free, the client may still be sent to.
 */
void response_received(struct proxy *p, struct client *c);

/* relay.c */
void flow_init(struct flow *f, enum http_framing in, enum http_framing out, uint64_t bytes);
/* Gives back what it kept. */
void flow_fini(struct stream_io *io, struct flow *f);
/* Takes what s received as the next piece of the body, framed for the other side. 0, -EBADMSG for
 * wrong framing, -ENOBUFS. The chunk may be empty. */
int flow_take(struct stream_io *io, struct flow *f, struct stream *s, struct chunk *out);
void relay_pump(struct proxy *p, struct client *c, enum relay_way way);
/* The source of this way ended. */
void relay_on_end(struct proxy *p, struct client *c, enum relay_way way);

/* splice.c */
bool splice_begin(struct proxy *p, struct client *c, enum relay_way way);
void splice_pump(struct proxy *p, struct client *c, enum relay_way way);
/* Gives the pipe of a flow back, emptied. */
void splice_end(struct proxy *p, struct flow *f);
int splice_init(struct proxy *p);

/* reply.c */
/* Answers with an error of ebb's own, or cuts the connection if an answer has begun. Ends the
 * exchange. retry_after_s 0 = no such field. */
void reply_error(struct proxy *p, struct client *c, int status, const char *code,
		 uint32_t retry_after_s, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
/* "HTTP/1.1 100 Continue" */
void reply_continue(struct proxy *p, struct client *c);
/* Best effort on a socket that is closed next. */
const char *reply_reason(int status);
enum reply_full { REPLY_NO_SLOT, REPLY_ADDRESS };
void reply_full(int fd, enum reply_full why);

/* control.c */
int control_init(struct proxy *p);
void control_on_readable(void *self, const struct loop_event *e);
void control_on_writable(void *self, const struct loop_event *e);
void control_need_instance(struct proxy *p, uint32_t service);
void control_choice(struct proxy *p, uint32_t service);
void control_need_sockets(struct proxy *p, struct instance *i);
/* False: the channel is full. */
bool control_queue_get(struct proxy *p, const struct instance *i, uint32_t waited_ms);
bool control_blame(struct proxy *p, const struct wire_blame *blame);
void control_cleared(struct proxy *p, uint32_t service, uint64_t kind);
void control_suspect(struct proxy *p, const struct instance *i, int err);
void control_flush(struct proxy *p);

/* proxy.c */
int proxy_init(struct proxy *p, struct loop *l, struct buffers *b);
void proxy_before_wait(void *self);
void proxy_starved(struct proxy *p, const struct stream *s);
void proxy_dump(struct proxy *p);
#define PROXY_TIMER_COARSE(p) ((p)->client_count + (p)->upstream_count)
void proxy_on_timer(void *self, const struct loop_event *e);
void proxy_on_signal(void *self, const struct loop_event *e);

#endif
