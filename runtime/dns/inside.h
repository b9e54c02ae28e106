/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of ebb-dns, for the files of this folder. */
#ifndef EBB_DNS_INSIDE_H
#define EBB_DNS_INSIDE_H

#include <netinet/in.h>

#include "runtime/base/allowance.h"
#include "runtime/base/chain.h"
#include "runtime/base/loop.h"
#include "runtime/dns/packet.h"
#include "runtime/wire/link.h"
#include "runtime/wire/records.h"

#define QUESTIONS_MAX      2048 /* that wait for an answer, of all instances */
#define QUESTIONS_OF_ONE   256  /* 100 requests at once ask for A and AAAA of a name */
#define CONNECTIONS_MAX    512  /* TCP, of all instances */
#define CONNECTIONS_OF_ONE 8
#define MESSAGE_MAX        65535 /* of TCP, behind two bytes of length */

#define TOLD_KINDS 32
/* An instance that may ask. */
struct guest {
	uint32_t range, generation;
	uint32_t questions, connections;  /* at this moment */
	struct allowance told;            /* refusals that are events */
	uint64_t told_lately[TOLD_KINDS]; /* hashes of names and reasons */
	uint32_t told_next;
	struct wire_egress egress;
};

struct dns {
	struct loop *loop;
	struct wire_link control;
	struct watch datagrams, listener; /* owned descriptors */
	struct wire_dns_config config;
	uint8_t host_v4[4];               /* host.internal, where the host's resolvers are */
	struct guest *guests[NET_RANGES]; /* owned */
	struct chain questions, conns;
	uint32_t question_count, conn_count;
	uint64_t cookie;
	uint8_t buffer[MESSAGE_MAX + 1]; /* of the message that is being read */
};

/* told.c: tells ebbd that a name was refused. Each kind once; the first ones of an instance at
 * once, then one a minute. */
void dns_refused(struct dns *dns, struct guest *g, enum dns_refusal reason, const char *name);

/* ---- ask.c: a question, from its arrival to its answer ---- */

/* The connection that has asked, embedded in it. */
struct asker {
	/* Sends the answer. No bytes: there is none, and the connection is of no use. */
	void (*answer)(struct asker *a, const uint8_t *bytes, size_t size);
};

/* A question came in these bytes: over a connection, or (NULL) in a datagram. It is answered now or
 * later. */
void ask(struct dns *dns, struct guest *g, struct asker *asker, const struct sockaddr_in *from,
	 const uint8_t *bytes, size_t size);
/* ebb-net has opened the addresses of an answer, or not. */
void ask_opened(struct dns *dns, const struct wire_net_opened *opened);
/* Forgets the questions of a connection, or of a guest. */
void ask_forget(struct dns *dns, const struct asker *asker, const struct guest *g);

/* ---- conn.c: questions over TCP ---- */

/* Takes fd over. */
void conn_accept(struct dns *dns, struct guest *g, int fd);
/* Closes the connections of a guest. */
void conn_forget(struct dns *dns, const struct guest *g);

#endif
