/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the rules, by the kernel's log (NFLOG): refusals, the first attempts of an instance
 * for each reason, then one a second; and that the host gets many connections (bounds.c). Others
 * made the packets, so only their fixed heads are read.
 */
#ifndef EBB_NETNS_REFUSAL_H
#define EBB_NETNS_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

#define NET_CROWD "crowd" /* the prefix of the message about connections of the host */

struct net_refusal {
	uint32_t interface;  /* of the host */
	uint32_t reason;     /* enum net_reason */
	uint8_t address[16]; /* it was sent to; IPv4 as ::ffff:a.b.c.d */
	uint8_t protocol;
	uint16_t port; /* 0: it has none */
};

/* The name of a reason: that of its chain, and the prefix in the kernel's messages. */
const char *net_reason_name(uint32_t reason);
/* Makes a NETLINK_NETFILTER socket hear a group. 0, -EBUSY: another socket hears it, or -errno. */
int net_refusals_hear(int fd, uint16_t group);
struct net_hearer {
	void (*on_refusal)(void *self, const struct net_refusal *refusal);
	void (*on_crowd)(void *self);
	void *self;
};

/* Reads one datagram, if one waits. 1, 0 if none waits, or -errno (-ENOBUFS: some were lost). */
int net_refusals_read(int fd, const struct net_hearer *hearer);

#endif
