/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a record channel in a loop: the only place where records wait to be sent.
 *
 * Sending never blocks. A record that the socket does not take at once waits, in order, with copies
 * of its descriptors, and how much may wait is bounded. Receiving goes through the table of rules
 * (channel.h); a record that fits no rule ends the link, as the end of the peer does: the owner
 * hears of it once (lost), from the loop, and never from within a send.
 */
#ifndef EBB_WIRE_LINK_H
#define EBB_WIRE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/chain.h"
#include "runtime/base/loop.h"
#include "runtime/wire/channel.h"

#define LINK_QUEUE_MAX 65536u /* records that may wait, unless the owner says less */
/* Descriptors among them: one of each instance and some more. The host has only so many, and
 * closing 8,192 sockets took 25 ms. */
#define LINK_QUEUE_FDS_MAX 5120u

struct wire_link {
	/* Set by the owner before wire_link_open. */
	const char *name; /* "ebb-ipc", for the watchdog; static or as long as the link */
	const struct wire_rule *rules;
	size_t rule_count;
	uint32_t phase; /* one bit of the rules' phases; the owner changes it at any time */
	void *self;     /* the rules' */
	/* The peer is gone (err 0) or broke the rules (-errno, e.g. -EPROTO). The link is closed
	 * already, and may be freed in there. */
	void (*lost)(struct wire_link *link, int err);
	/* Nothing waits any more. May be NULL. */
	void (*drained)(struct wire_link *link);
	uint32_t queue_max, queue_fds_max; /* 0 = the limits above */
	uint32_t burst;                    /* records read before others get their turn; 0 = 64 */
	bool first;                        /* it is heard before other descriptors of its loop */
	/* A send that fails ends the link (lost, from the loop), so that senders need not look. */
	bool ends_on_failure;
	/* The link's own; last_type may be read: of what the peer said last. */
	uint32_t last_type;
	struct watch watch;
	struct loop *loop;
	struct chain waiting;
	uint32_t queued, queued_fds;
	bool deaf, parked;            /* parked: deaf, and not watched as its peer is gone */
	struct wire_message *message; /* owned: the buffer that a record is received into */
};

/* Takes socket_fd over, makes it non-blocking and watches it. 0 or -errno (socket closed). */
int wire_link_open(struct wire_link *link, struct loop *loop, int socket_fd);
/* Closes and forgets what waits; one that is closed, or was zeroed and never open, is fine. A rule
 * may close its own link, but not free it. */
void wire_link_close(struct wire_link *link);
bool wire_link_is_open(const struct wire_link *link);
/* Records that wait. */
uint32_t wire_link_queued(const struct wire_link *link);
/* Sends or queues; fds are borrowed. 0, -ENOTCONN of a closed link, -ENOBUFS when too much waits
 * already, -ENOMEM, or what wire_send says. */
int wire_link_send(struct wire_link *link, uint32_t type, const void *record, size_t size,
		   const int *fds, unsigned int fd_count);
/* Whether records are read: the socket is the queue of those that are not. Also from within a
 * rule, where it holds from the next record on. */
void wire_link_hear(struct wire_link *link, bool on);

#endif
