/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a program waits for somebody on a connection that it opened.
 *
 * The kernel knows when data went out and came in last. An idle connection of a pool has its last
 * answer behind its last question. A connection that waits has it the other way round, or it is not
 * open yet, or its peer has not taken all that was written.
 */
#ifndef EBB_SUPERVISOR_TALKS_H
#define EBB_SUPERVISOR_TALKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "netns/connections.h"

/* clang-format off */
#define TALK_WAITS(X) \
	X(NOTHING,  "is idle") \
	X(CONNECT,  "is not open yet") \
	X(SEND,     "has not taken all that was sent") \
	X(GREETING, "was opened just now") \
	X(ANSWER,   "owes an answer") \
	X(NAME,     "is asked for a name") \
	X(SPOKE,    "spoke") \
	X(ENDED,    "ended the connection")
/* clang-format on */
struct net_watch;
#define X(name, words) TALK_##name,
enum talk_wait { TALK_WAITS(X) TALK_WAIT_COUNT };
#undef X

/* An exchange that was waited for long enough: until the peer says something more, this connection
 * keeps nobody awake. */
struct talk_key {
	uint64_t cookie, received_bytes;
};

struct talk {
	enum talk_wait waits;
	uint8_t protocol;
	uint8_t peer[16];
	uint16_t peer_port;
	uint32_t for_ms; /* so long by now; CONNECT: not known, 0 */
	struct talk_key key;
};

#define TALKS_SHOWN   4
#define TALKS_SETTLED 16
#define TALKS_PORTS   8
#define TALKS_OWED    16

struct talks {
	uint32_t open, waiting;         /* open: all that the program opened */
	bool crowded;                   /* there are more than a look takes */
	struct talk shown[TALKS_SHOWN]; /* the first that wait */
	/* Local ports on which something is owed, settled or not. */
	uint16_t owed[TALKS_OWED];
	uint32_t owed_count;
};

struct talks_request {
	int net_ns_fd, home_ns_fd; /* borrowed */
	pid_t init_pid;            /* PID 1 of the instance, as the host numbers it */
	bool wired;                /* it has a network beside its loopback */
	/* Connections to these ports of its loopback go to other services (bindings). All others
	 * there are its own affair, or a gateway's. */
	uint16_t ports[TALKS_PORTS];
	uint32_t port_count;
	const struct talk_key *settled; /* TALKS_SETTLED of them */
	/* It was thawed for the network so long ago, or 0. A peer that spoke since may have got a
	 * reply, which need not be a question; and if it is one, the answer wakes the instance. */
	uint32_t woken_ms;
	const struct net_watch *watch; /* knows how much was said; or NULL. Borrowed */
	bool answers_wake;             /* data that come wake it */
};

/* The wait of one connection. Pure. */
enum talk_wait talk_judge(const struct talks_request *q, const struct netns_connection *c);
/* Whether the program has said nothing new since the last data came. The time of its last words is
 * then that of a retransmission, which a busy host sends although the answer has come. said_bytes:
 * sent when the last data came (netns/watch.h). Pure. */
bool talk_is_silent(const struct netns_connection *c, uint64_t said_bytes);
/* Whether the program's last words were probably an answer: few bytes right behind what the peer
 * said, and the peer has said nothing for a while. So end calls of gRPC, whose client acknowledges
 * a PING of the server. If it was a question all the same, the answer wakes the instance. Pure. */
bool talk_is_courtesy(const struct netns_connection *c, uint64_t said_bytes);
/* Looks at all connections. 0 with *out; or -errno: nothing can be seen, or (-ENOTRECOVERABLE)
 * this thread is in a foreign namespace and must not go on. */
int talks_look(const struct talks_request *q, struct talks *out);
/* "tcp 10.0.0.5:5432 owes an answer for 1200 ms" */
void talk_text(const struct talk *t, char *out, size_t size);

#endif
