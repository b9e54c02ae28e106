/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses that an instance may reach; net_table_policy in table.h writes them into the
 * kernel. */
#ifndef EBB_NETNS_POLICY_H
#define EBB_NETNS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#define NET_SUBNETS_MAX    16
#define NET_HOST_PORTS_MAX 16

/* A network and its ports. IPv4 stands in the last four bytes behind ::ffff; bits count from 96. */
struct net_subnet {
	uint8_t address[16];
	uint32_t bits;
	uint16_t port_first, port_last; /* 0..65535: every port, and what has none */
};

struct net_policy {
	bool internet; /* all public addresses; else only what allow names */
	bool asks;     /* questions for names are answered */
	uint32_t allow_count, deny_count, host_port_count;
	struct net_subnet allow[NET_SUBNETS_MAX], deny[NET_SUBNETS_MAX]; /* deny wins */
	uint16_t host_ports[NET_HOST_PORTS_MAX];                         /* of host.internal, TCP */
};

#endif
