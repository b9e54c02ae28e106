/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals of the rules, as the kernel tells them (NFLOG): the first attempts of an instance, and
 * one a second of each reason then. The packets are an instance's: only their fixed heads are read.
 */
#ifndef EBB_NETNS_REFUSAL_H
#define EBB_NETNS_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

struct net_refusal {
	uint32_t interface;  /* of the host */
	uint32_t reason;     /* enum net_reason */
	uint8_t address[16]; /* it was sent to; IPv4 as ::ffff:a.b.c.d */
	uint8_t protocol;
	uint16_t port; /* 0: it has none */
};

/* Makes this socket of NETLINK_NETFILTER hear a group. 0, -EBUSY: somebody else does, or -errno. */
int net_refusals_hear(int fd, uint16_t group);
/* Reads what waits, a datagram at most. 1, 0 nothing waits, -errno. */
int net_refusals_read(int fd, void (*on_refusal)(void *self, const struct net_refusal *refusal),
		      void *self);

#endif
