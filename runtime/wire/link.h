/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a record channel in a loop: the only place where records wait to be sent.
 *
 * Sending never blocks. A record that the socket does not take at once waits, in order, with copies
 * of its descriptors, and the number of waiting records is bounded. Receiving goes through the
 * table of rules (channel.h). A record that fits no rule ends the link, and so does the end of the
 * peer. The owner hears of that once (lost), from the loop, and never from within a send.
 */
#ifndef EBB_WIRE_LINK_H
#define EBB_WIRE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/chain.h"
#include "runtime/base/loop.h"
#include "runtime/wire/channel.h"

#define LINK_QUEUE_MAX 65536u /* waiting records at most, unless the owner says less */
/* Descriptors of waiting records at most: one of each instance and some more. The host has only so
 * many, and closing 8,192 sockets took 25 ms. */
#define LINK_QUEUE_FDS_MAX 5120u

struct wire_link {
	/* Set by the owner before wire_link_open. */
	const char *name; /* "ebb-ipc", for the watchdog; static or as long as the link */
	const struct wire_rule *rules;
	size_t rule_count;
	uint32_t phase; /* one bit, as in the rules; the owner may change it at any time */
	void *self;     /* for the handlers of the rules */
	/* The peer is gone (err 0) or broke the rules (-errno, e.g. -EPROTO). The link is closed by
	 * then, and this function may free it. */
	void (*lost)(struct wire_link *link, int err);
	/* All waiting records were sent. May be NULL. */
	void (*drained)(struct wire_link *link);
	uint32_t queue_max, queue_fds_max; /* 0 = the limits above */
	uint32_t burst;                    /* records read before others get their turn; 0 = 64 */
	bool first;                        /* read before other descriptors of its loop */
	/* A send that fails ends the link (lost, from the loop), so that senders need not look. */
	bool ends_on_failure;
	/* Private to the link, but last_type may be read: the type of the last record of the peer.
	 */
	uint32_t last_type;
	struct watch watch;
	struct loop *loop;
	struct chain waiting;
	uint32_t queued, queued_fds;
	bool deaf, parked;            /* deaf: reads nothing; parked: nor is it watched */
	bool kept;                    /* message is for its handler again (WIRE_LATER) */
	struct wire_message *message; /* owned: the buffer for a received record */
};

/* Takes socket_fd over, makes it non-blocking and watches it. 0, or -errno with the socket closed.
 */
int wire_link_open(struct wire_link *link, struct loop *loop, int socket_fd);
/* Closes the link and drops the waiting records. A link that is closed, or that was zeroed and
 * never open, is fine. A rule may close its own link, but not free it. */
void wire_link_close(struct wire_link *link);
bool wire_link_is_open(const struct wire_link *link);
/* The number of waiting records. */
uint32_t wire_link_queued(const struct wire_link *link);
/* Sends or queues a record; fds are borrowed. 0, -ENOTCONN if the link is closed, -ENOBUFS if too
 * much waits already, -ENOMEM, or an error of wire_send. */
int wire_link_send(struct wire_link *link, uint32_t type, const void *record, size_t size,
		   const int *fds, unsigned int fd_count);
/* Says whether records are read. While they are not, the socket is their queue. A rule may call
 * this, and it counts from the next record on. */
void wire_link_hear(struct wire_link *link, bool on);
/* Hands the message for which its rule said WIRE_LATER to that rule again, and reads on. From the
 * loop, not from within a rule. A link that keeps none, or is closed, is fine. */
void wire_link_again(struct wire_link *link);

#endif
