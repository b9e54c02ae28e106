/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The giver of networks to instances: a peer of ebbd (../peers/egresslink.c), as instances see it.
 * Its answers come back through ../scale/wires.h.
 */
#ifndef EBB_SUPERVISOR_NETWORK_OF_H
#define EBB_SUPERVISOR_NETWORK_OF_H

#include <stdint.h>

#include "runtime/wire/records.h"

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
};

#endif
