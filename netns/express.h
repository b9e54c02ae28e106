/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to netns/: rules of nf_tables, expression by expression, as the kernel takes them
 * (linux/netfilter/nf_tables.h). `nft --debug=netlink list table inet NAME` shows the same words.
 * A rule holds if all its expressions do, from left to right; the last one says what follows.
 */
#ifndef EBB_NETNS_EXPRESS_H
#define EBB_NETNS_EXPRESS_H

#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/nl.h"

/* Registers of four bytes that lie behind each other: keys of sets with several parts. */
#define REG(n) (NFT_REG32_00 + (n))

/* A message about something in a table of family inet, acknowledged. */
void inet_begin(struct nl *n, uint16_t type, uint16_t flags);

struct rule {
	struct nl *nl;
	size_t expressions;
};

struct rule rule_begin(struct nl *n, const char *table, const char *chain);
void rule_end(struct rule *r);

/* Facts into a register. */
void rule_load_meta(struct rule *r, uint32_t key, uint32_t reg);
void rule_load_state(struct rule *r, uint32_t reg); /* of its connection, conntrack's */
void rule_load_address_type(struct rule *r, uint32_t reg);
void rule_load_network(struct rule *r, uint32_t offset, uint32_t size, uint32_t reg);
void rule_load_transport(struct rule *r, uint32_t offset, uint32_t size, uint32_t reg);
void rule_load_value(struct rule *r, const void *data, size_t size, uint32_t reg);
/* register & mask, in place */
void rule_mask(struct rule *r, uint32_t reg, const void *bits, size_t size);

/* Conditions. */
void rule_is(struct rule *r, uint32_t reg, const void *data, size_t size);
void rule_is_not(struct rule *r, uint32_t reg, const void *data, size_t size);
void rule_is_in(struct rule *r, uint32_t reg, const char *set);
/* Adds the key to the set; true while the key has more than count connections. */
void rule_connections_over(struct rule *r, uint32_t reg, const char *set, uint32_t count);
/* True at most rate times a second for a key, and burst times at once. */
void rule_seldom(struct rule *r, uint32_t reg, const char *set, uint64_t rate, uint32_t burst);
/* True while more than rate packets a second come here, behind burst at once. */
void rule_faster(struct rule *r, uint64_t rate, uint32_t burst);
/* True at most rate times a second, and burst times at once. */
void rule_slower(struct rule *r, uint64_t rate, uint32_t burst);
/* Applies an object of the table: type NFT_OBJECT_CT_TIMEOUT and its name. */
void rule_refer(struct rule *r, uint32_t type, const char *object);
/* Adds the key to the set, and counts for it. */
void rule_count_each(struct rule *r, uint32_t reg, const char *set);

/* The verdict that follows. */
void rule_count(struct rule *r);
void rule_log(struct rule *r, uint16_t group, const char *prefix);
void rule_verdict(struct rule *r, int32_t code,
		  const char *chain); /* chain: of NFT_GOTO, or NULL */
void rule_reject(struct rule *r, uint32_t type, uint8_t code);
void rule_masquerade(struct rule *r);
/* type: NFT_NAT_DNAT or NFT_NAT_SNAT, to the IPv4 address in the register, and with port_reg > 0 to
 * the port in that one. */
void rule_translate(struct rule *r, uint32_t type, uint32_t reg, uint32_t port_reg);

#endif
