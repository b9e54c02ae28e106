/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The giver of networks to instances: a peer of ebbd (../peers/egresslink.c), as instances see it.
 * Its answers come back through ../scale/wires.h.
 */
#ifndef EBB_SUPERVISOR_NETWORK_OF_H
#define EBB_SUPERVISOR_NETWORK_OF_H

#include <stdint.h>

#include "runtime/wire/records.h"

/* The use of a wire, cumulative since it was made. */
struct wire_use {
	uint64_t out_bytes, in_bytes, connections;
};

struct network {
	void *self;
	char hosts[64];    /* a line for /etc/hosts: host.internal */
	char resolver[64]; /* /etc/resolv.conf of instances that may reach the internet, or "" */
	/* Asks for a wire for the sandbox with this range of ids; descriptors are borrowed. 0,
	 * -EHOSTDOWN if nobody is there to make it, or -errno. */
	int (*arm)(void *self, uint32_t range, int net_ns_fd, int inside_fd);
	/* Asks that the instance there may reach what its service may. 0 or -errno, as above. */
	int (*assign)(void *self, const struct wire_net_assign *record);
	void (*drop)(void *self, const struct wire_net_drop *record);
	/* The index of the host's end of a wire: 0, or -errno. */
	int (*interface)(void *self, uint32_t range, uint32_t *out);
	/* How many connections came from there: 0, or -errno. */
	int (*connections)(void *self, uint32_t interface, uint64_t *out);
	void (*address)(void *self, uint32_t range, uint8_t v4[4], uint8_t v6[16]);
};

#endif
