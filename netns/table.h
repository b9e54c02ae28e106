/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nf_tables table of one ebbd: the reach of instances (rules.c), and the elements of each.
 *
 * The rules are written once. An instance costs elements: its address while it is armed, what it
 * may reach when it is started. An interface whose name begins with the table's prefix and that has
 * no element reaches nothing. Needs CAP_NET_ADMIN and a socket of NETLINK_NETFILTER.
 */
#ifndef EBB_NETNS_TABLE_H
#define EBB_NETNS_TABLE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "netns/policy.h"

/* The reasons of a refusal: the name of the chain in which the packet ends (also the prefix in the
 * kernel's log), and words for people. */
/* clang-format off */
#define NET_REASONS(X) \
	X(SOURCE, "source", "a source address that is not its own") \
	X(DENY, "deny", "ebb.egress.subnets.deny") \
	X(HOST, "host", "an address of this host") \
	X(RANGE, "range", "an address that is not public") \
	X(LISTED, "unlisted", "not in ebb.egress.subnets.allow") \
	X(LIMIT, "limit", "too many connections at once")
/* clang-format on */
#define X(name, chain, words) NET_REASON_##name,
enum net_reason { NET_REASONS(X) NET_REASON_COUNT };
#undef X

struct net_table {
	char name[32], prefix[IFNAMSIZ];
	uint8_t pool_v4[4], pool_v6[16]; /* of all instances */
	uint32_t pool_v4_bits, pool_v6_bits;
	uint8_t host_v4[4];  /* host.internal */
	uint8_t resolver[4]; /* answers behind port 53 of host.internal; zeroes: none */
	uint32_t connections_max;
	uint16_t log_group;
};

/* Makes the table anew, in one step; another table of this name is gone then. 0 or -errno. */
int net_table_make(int fd, const struct net_table *t);
/* Removes the table. 0, also when there was none, or -errno. */
int net_table_remove(int fd, const char *name);
/* Whether the table is there: 1, 0 or -errno. */
int net_table_is(int fd, const char *name);

/* Adds or removes (add false) the addresses of an instance: the sources of packets from this
 * interface, and the targets of packets to it. v6 NULL: none. 0 or -errno. */
int net_table_address(int fd, const char *name, bool add, uint32_t interface, const uint8_t v4[4],
		      const uint8_t *v6);
/* Adds or removes the addresses that the interface may reach. 0 or -errno. */
int net_table_policy(int fd, const char *name, bool add, uint32_t interface,
		     const struct net_policy *policy);

/* rules.c: the sets, chains and rules, into a batch. */
struct nl;
void net_rules(struct nl *n, const struct net_table *t);

#endif
