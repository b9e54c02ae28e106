/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The giver of networks to instances: a peer of ebbd (../peers/egresslink.c), as instances see it.
 * Its results come back through wire.h.
 */
#ifndef EBB_SUPERVISOR_NETWORK_OF_H
#define EBB_SUPERVISOR_NETWORK_OF_H

#include <stdint.h>

#include "runtime/wire/records.h"

struct network {
	void *self;
	char hosts[64];    /* a line for /etc/hosts: host.internal */
	char resolver[64]; /* /etc/resolv.conf of who may reach the internet, or "" */
	/* Wires the sandbox with this range of ids; descriptors are borrowed. 0 or -errno:
	 * -EHOSTDOWN nobody is there to do it. */
	int (*arm)(void *self, uint32_t range, int net_ns_fd, int inside_fd);
	/* Lets the instance in it reach what its service may. 0 or -errno. */
	int (*assign)(void *self, const struct wire_net_assign *record);
	void (*drop)(void *self, const struct wire_net_drop *record);
};

#endif
