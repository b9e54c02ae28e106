/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One unprivileged process at the other end of a wire channel, as root sees it.
 *
 * Sending never blocks. A record that the socket does not take at once waits in a bounded queue
 * (descriptors duplicated), and a peer that lets it overflow is treated as dead. Received records
 * go through the rules table; a record that does not fit it ends the peer.
 */
#ifndef EBB_SUPERVISOR_PEER_H
#define EBB_SUPERVISOR_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/supervisor/host/loop.h"
#include "runtime/wire/channel.h"

struct peer_message;

struct peer {
	struct watch watch; /* fd owned here; -1 = not connected */
	struct loop *loop;
	const char *name; /* "gateway-0", for the log */
	const struct wire_rule *rules;
	size_t rule_count;
	uint32_t phase;                             /* of the rules' phases, one bit */
	void *self;                                 /* the rules' */
	void (*on_lost)(struct peer *p, int error); /* 0: end of file. The peer is closed already */
	struct peer_message *head, *tail;
	uint32_t queued, queued_fds;
	uint32_t last_type;           /* of what it said last */
	struct wire_message *message; /* what it says is read into this; made once, as a peer that
					 is ready to be read cannot wait for memory */
};

/* Takes socket_fd over. The descriptive fields (name, rules, self, on_lost) are set by the caller
 * before. 0 or -errno (socket closed). */
int peer_open(struct peer *p, struct loop *loop, int socket_fd);
void peer_close(struct peer *p); /* may be opened again */
void peer_fini(struct peer *p);  /* closes it for good; not while it is being heard */
bool peer_is_open(const struct peer *p);
/* Sends or queues; a failure closes the peer and reports on_lost from the loop later, so callers
 * need not look. fds are borrowed. */
void peer_send(struct peer *p, uint32_t type, const void *record, size_t size, const int *fds,
	       unsigned int fd_count);

#endif
