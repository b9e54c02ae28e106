/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses that an instance may reach, and the records between ebbd and ebb-net. */
#ifndef EBB_WIRE_NET_RECORDS_H
#define EBB_WIRE_NET_RECORDS_H

#include <stdint.h>

#define EGRESS_SUBNETS_MAX    16
#define EGRESS_HOST_PORTS_MAX 16

/* The modes of ebb.egress: nothing; public addresses; or the listed addresses (and host_ports).
 * deny always wins. */
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

struct wire_egress {
	uint32_t mode; /* enum wire_egress_mode */
	uint32_t allow_count, deny_count, host_port_count;
	struct wire_subnet allow[EGRESS_SUBNETS_MAX], deny[EGRESS_SUBNETS_MAX];
	uint16_t host_ports[EGRESS_HOST_PORTS_MAX];
};

/* ---- ebbd -> net ---- */

#define NET_CONTROL_FD 3
#define NET_RANGES     4096 /* of ids, as armory.c counts them; each has an address of the pool */

/* NET_CONFIG, the first record. */
struct wire_net_config {
	uint32_t adopt; /* 1: an earlier ebb-net of this ebbd has made the table and the wires */
	uint32_t connections_max;
	uint32_t log_group; /* of NFLOG: the first one to try; with adopt, the present one */
	uint32_t reserved;
	uint8_t pool_v4[4];  /* range n has this address + n; + 1 is host.internal */
	uint8_t pool_v6[16]; /* likewise */
	uint8_t resolver[4]; /* server for questions to host.internal:53; zeroes: none */
	char prefix[12];     /* of interface names; then the range in four hexadecimal digits */
	char table[32];
};

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

#endif
