/* SPDX-License-Identifier: Apache-2.0 */
/* One end of a record channel in the loop: what does not fit into the socket waits in order. */
#ifndef EBB_API_LINK_H
#define EBB_API_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/channel.h"

struct loop;
struct wire_link;

struct wire_link_handlers {
	const struct wire_rule *rules;
	size_t rule_count;
	void *self; /* for the rules and for lost */
	/* The peer is gone (err 0) or broke the rules (-errno). Last thing the link does; it may be
	 * freed in there. */
	void (*lost)(void *self, int err);
};

/* Takes socket_fd. 0 or -errno (socket_fd is then closed too). */
int wire_link_open(struct loop *loop, int socket_fd, const struct wire_link_handlers *handlers,
		   struct wire_link **out);
void wire_link_free(struct wire_link *link); /* NULL is fine */
/* fd (or -1) is borrowed. 0 or -errno: -ENOBUFS when too much waits already. */
int wire_link_send(struct wire_link *link, uint32_t type, const void *record, size_t size, int fd);

#endif
