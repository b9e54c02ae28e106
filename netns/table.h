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

/* Why an attempt was refused: the chains in which it ends, and what the kernel's log says. */
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
	uint8_t resolver[4]; /* behind its port 53, for who may reach the internet; zeroes: nobody
			      */
	uint32_t connections_max;
	uint16_t log_group;
};

/* Makes it anew, in one step; another of this name is gone then. 0 or -errno. */
int net_table_make(int fd, const struct net_table *t);
/* 0, also when there was none. */
int net_table_remove(int fd, const char *name);
/* Whether it is there: 1, 0 or -errno. */
int net_table_is(int fd, const char *name);

/* The address that may come from this interface, and go there. v6 NULL: none. */
int net_table_address(int fd, const char *name, bool add, uint32_t interface, const uint8_t v4[4],
		      const uint8_t *v6);
/* Sets the addresses that the interface may reach. 0 or -errno. */
int net_table_policy(int fd, const char *name, bool add, uint32_t interface,
		     const struct net_policy *policy);

/* rules.c: the sets, chains and rules, into a batch. */
struct nl;
void net_rules(struct nl *n, const struct net_table *t);

#endif
