/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nf_tables table of one ebbd: the reach of instances (rules.c), and the elements of each.
 *
 * The rules are written once. An instance costs elements: its address while it is armed, what it
 * may reach when it is started. An interface whose name begins with the table's prefix and that has
 * no element reaches nothing. Needs CAP_NET_ADMIN and a socket of NETLINK_NETFILTER, which owns the
 * table (NFT_TABLE_F_OWNER): nobody else can change or flush it, and it ends with the socket.
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
	X(LIMIT, "limit", "too many connections at once") \
	X(SHARED, "shared", "too many connections of all instances at once") \
	X(PACE, "pace", "too many new connections a second of all instances") \
	X(QUESTIONS, "questions", "too many questions for names")
/* clang-format on */
#define X(name, chain, words) NET_REASON_##name,
enum net_reason { NET_REASONS(X) NET_REASON_COUNT };
#undef X

#define NET_RESOLVERS_MAX 3
struct net_table {
	char name[32], prefix[IFNAMSIZ];
	uint8_t pool_v4[4], pool_v6[16]; /* of all instances */
	uint32_t pool_v4_bits, pool_v6_bits;
	uint8_t host_v4[4]; /* host.internal */
	/* Port 53 of host.internal is ebb-dns. For ebb-dns itself it is the host's first resolver,
	 * port 54 the second one, and so on. */
	uint8_t dns_v4[4];
	uint16_t dns_port;
	uint8_t resolvers[NET_RESOLVERS_MAX][4];
	uint32_t resolver_count;
	uint32_t connections_max; /* of an instance */
	uint32_t connections_all; /* of all instances (bounds.c) */
	uint16_t log_group;
};

/* Makes the table anew; another table of this name is gone then. 0 or -errno. */
int net_table_make(int fd, const struct net_table *t);
/* Removes the table. 0, also when there was none, or -errno. */
int net_table_remove(int fd, const char *name);
/* Whether the table is there: 1, 0 or -errno. */
int net_table_is(int fd, const char *name);

/* The number of connections that the kernel tracks at most (nf_conntrack_max). 0 or -errno. */
int net_tracked_max(int fd, uint32_t *out);
/* Removes the entries of connections whose time is over, which the kernel leaves there for up to a
 * minute. It walks the whole table: some milliseconds of CPU. 0 or -errno. */
int net_tracked_sweep(int fd);

/* Adds or removes (add false) the addresses of an instance: the sources of packets from this
 * interface, and the targets of packets to it. v6 NULL: none. 0 or -errno. */
int net_table_address(int fd, const char *name, bool add, uint32_t interface, const uint8_t v4[4],
		      const uint8_t *v6);
/* Adds or removes the addresses that the interface may reach. 0 or -errno. */
int net_table_policy(int fd, const char *name, bool add, uint32_t interface,
		     const struct net_policy *policy);

/* How many connections this interface has made since it is there; they stay counted until
 * net_table_forget. Reading needs no owner. 0 or -errno. */
int net_table_connections(int fd, const char *name, uint32_t interface, uint64_t *out);
void net_table_forget(int fd, const char *name, uint32_t interface);

/* Adds or removes ebb-dns, which has this interface. 0 or -errno. */
int net_table_forwards(int fd, const char *name, bool add, uint32_t interface);
/* Opens an address of a name for ttl_s seconds; port 0: every port. An address that is open already
 * stays open for so long from now on. ttl_s 0 closes it. 0 or -errno. */
int net_table_open(int fd, const char *name, uint32_t interface, const uint8_t address[16],
		   uint16_t port, uint32_t ttl_s);

/* rules.c: the sets, chains and rules, into a batch. */
struct nl;
void net_rules(struct nl *n, const struct net_table *t);

#endif
