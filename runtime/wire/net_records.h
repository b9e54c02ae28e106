/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses that an instance may reach, and the records between ebbd and ebb-net. */
#ifndef EBB_WIRE_NET_RECORDS_H
#define EBB_WIRE_NET_RECORDS_H

#include <stdint.h>

#define EGRESS_SUBNETS_MAX    16
#define EGRESS_HOST_PORTS_MAX 16
#define EGRESS_NAMES_MAX      16

/* The modes of ebb.egress: nothing; public addresses; or the listed addresses, names and ports of
 * the host. deny always wins. */
enum wire_egress_mode {
	WIRE_EGRESS_NONE,
	WIRE_EGRESS_INTERNET,
	WIRE_EGRESS_LISTED,
	WIRE_EGRESS_COUNT
};

struct wire_subnet {
	uint8_t address[16];            /* IPv4 as ::ffff:a.b.c.d; the bits behind `bits` are 0 */
	uint32_t bits;                  /* leading bits that must be equal, 0..128 */
	uint16_t port_first, port_last; /* one port twice; 0 and 65535: all, and no ports */
};

/* A name whose addresses are open while its answer holds. */
struct wire_egress_name {
	uint16_t port;  /* 0: every port */
	char name[254]; /* lower case: "api.example.com"; "*.example.org": all below; "*": all */
};

struct wire_egress {
	uint32_t mode; /* enum wire_egress_mode */
	uint32_t allow_count, deny_count, host_port_count, name_count, reserved;
	struct wire_subnet allow[EGRESS_SUBNETS_MAX], deny[EGRESS_SUBNETS_MAX];
	uint16_t host_ports[EGRESS_HOST_PORTS_MAX];
	struct wire_egress_name names[EGRESS_NAMES_MAX];
};

/* ---- ebbd -> net ---- */

#define NET_CONTROL_FD 3
/* A NETLINK_NETFILTER socket, which owns the table of rules. ebbd keeps a copy, so the table
 * outlives an ebb-net. Absent on a kernel that has none. */
#define NET_TABLE_FD  4
#define NET_RANGES    4096 /* of ids, as armory.c counts them; each has an address of the pool */
#define NET_RANGE_DNS 0    /* ebb-dns; no instance has this range */
#define NET_PORT_DNS  5300 /* ebb-dns listens there: it may not listen on 53 */
#define RESOLVERS_MAX 3    /* of the host, as resolv.conf(5) counts them */

/* NET_CONFIG, the first record. */
struct wire_net_config {
	uint32_t adopt; /* 1: an earlier ebb-net of this ebbd has made the table and the wires */
	uint32_t connections_max; /* of an instance */
	uint32_t connections_all; /* of all instances; 0: half of what the kernel tracks */
	uint32_t log_group;       /* of NFLOG: the first one to try; with adopt, the present one */
	uint8_t pool_v4[4];       /* range n has this address + n; + 1 is host.internal */
	uint8_t pool_v6[16];      /* likewise */
	/* The host's resolvers; only ebb-dns reaches them, at host.internal, port 53 and up. */
	uint8_t resolvers[RESOLVERS_MAX][4];
	uint32_t resolver_count;
	char prefix[12]; /* of interface names; then the range in four hexadecimal digits */
	char table[32];
};

/* The address of a range: that of the pool, whose last bits are 0, and its number. */
static inline void net_range_address(const uint8_t *pool, uint32_t size, uint32_t range,
				     uint8_t *out)
{
	for (uint32_t i = 0; i < size; i++)
		out[i] = pool[i];
	out[size - 2] = (uint8_t)(out[size - 2] | range >> 8);
	out[size - 1] = (uint8_t)range;
}

/* A sandbox was armed: wire it. fds: its network namespace, a NETLINK_ROUTE socket born inside. */
struct wire_net_arm {
	uint32_t range, reserved;
};

/* An instance is about to start in the sandbox: sets its rules. */
struct wire_net_assign {
	uint32_t range, slot, generation, reserved;
	struct wire_egress egress;
};

/* The instance is gone: removes its wire and all its elements from the table. egress: the assigned
 * rules; NONE: none were assigned. */
struct wire_net_drop {
	uint32_t range, reserved;
	struct wire_egress egress;
};

/* Addresses of an answer to a question for a name that the policy of this instance allows. */
#define NET_OPEN_MAX   16
#define NET_OPEN_TTL_S 3600u
struct wire_net_open {
	uint64_t cookie; /* comes back in NET_OPENED */
	uint32_t range, generation;
	uint32_t count, ttl_s; /* ttl_s: 1..NET_OPEN_TTL_S, then they are closed again */
	uint32_t port;         /* 0: every port */
	uint32_t reserved;
	uint8_t addresses[NET_OPEN_MAX][16];
};

/* ---- net -> ebbd ---- */

/* Answers NET_CONFIG. err: 0, or a positive errno of the step (netns/link.h); then no sandbox can
 * be connected. */
struct wire_net_ready {
	int32_t err;
	uint32_t step, log_group, reserved;
};

/* Answers NET_ARM; err and step as in NET_READY. */
struct wire_net_armed {
	uint32_t range;
	int32_t err;
	uint32_t step, reserved;
};

/* Answers NET_ASSIGN; err and step as in NET_READY. */
struct wire_net_assigned {
	uint32_t slot, generation;
	int32_t err;
	uint32_t step;
};

/* An instance tried to reach an address that it may not reach: told the first time, and then not
 * again for a while. */
struct wire_net_refused {
	uint32_t range, reason; /* enum net_reason of netns/table.h */
	uint8_t address[16];
	uint32_t protocol, port;
};

/* Answers NET_OPEN. */
struct wire_net_opened {
	uint64_t cookie;
	int32_t err; /* 0 or a positive errno: nothing was opened */
	uint32_t reserved;
};

/* ---- ebbd -> dns ---- */

#define DNS_CONTROL_FD 3

/* DNS_CONFIG, the first record. */
struct wire_dns_config {
	uint8_t pool_v4[4]; /* as in NET_CONFIG */
	uint32_t resolver_count;
};

/* The instance with the address of this range may ask. */
struct wire_dns_assign {
	uint32_t range, generation;
	struct wire_egress egress;
};

struct wire_dns_drop {
	uint32_t range, generation;
};

/* DNS_OPENED: struct wire_net_opened. */

/* ---- dns -> ebbd ---- */

/* DNS_READY has no record. DNS_OPEN: struct wire_net_open. */

/* Why a question or an answer was refused. */
/* clang-format off */
#define DNS_REFUSALS(X) \
	X(NAME, "not in ebb.egress.allow") \
	X(REBIND, "its answer has an address that is not public") \
	X(FULL, "too many addresses of names are open at once")
/* clang-format on */
#define X(name, words) DNS_REFUSAL_##name,
enum dns_refusal { DNS_REFUSALS(X) DNS_REFUSAL_COUNT };
#undef X

/* Told the first time, and then not again for a while. */
struct wire_dns_refused {
	uint32_t range, generation;
	uint32_t reason; /* enum dns_refusal */
	uint32_t reserved;
	char name[256]; /* printable */
};

#endif
