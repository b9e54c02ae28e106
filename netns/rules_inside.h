/* SPDX-License-Identifier: Apache-2.0 */
/* Private to netns/: the parts that rules.c, name_rules.c and bounds.c share. */
#ifndef EBB_NETNS_RULES_INSIDE_H
#define EBB_NETNS_RULES_INSIDE_H

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "netns/express.h"
#include "netns/refusal.h"
#include "netns/rules.h"
#include "netns/table.h"

#define SET_QUESTIONS  "questions" /* how many were asked lately */
#define SET_SHARDS     "shards"    /* connections of all instances, by source port */
#define CHAIN_OVER_IN  "over_in"
#define CHAIN_OVER_OUT "over_out"

/* Of a connection: 1 << (enum ip_conntrack_info + 1), and 1. */
#define STATE_INVALID     1u
#define STATE_ESTABLISHED 2u
#define STATE_RELATED     4u
#define STATE_NEW         8u

/* Where things are in headers. */
#define V4_SOURCE   12
#define V4_TARGET   16
#define V6_SOURCE   8
#define V6_TARGET   24
#define PORT_TARGET 2
#define ICMP_TYPE   0

/* All that writing rules needs. */
struct writing {
	struct nl *nl;
	const struct net_table *table;
};

/* One of the two families of addresses, as a judge sees it. */
struct family {
	const char *judge, *address, *deny, *exact, *named, *allow, *names;
	uint8_t protocol, family, icmp;
	uint32_t source, target, size;
};

static inline struct rule begin_rule(const struct writing *w, const char *chain)
{
	return rule_begin(w->nl, w->table->name, chain);
}

static inline void finish(struct rule *r, int32_t code, const char *chain)
{
	rule_verdict(r, code, chain);
	rule_end(r);
}

static inline void refuse(struct rule *r, enum net_reason reason)
{
	finish(r, NFT_GOTO, net_reason_name(reason));
}

static inline void byte_is(struct rule *r, uint32_t key, uint8_t value)
{
	rule_load_meta(r, key, REG(0));
	rule_is(r, REG(0), &value, sizeof(value));
}

static inline void name_is(struct rule *r, uint32_t key, const char *prefix, bool yes)
{
	rule_load_meta(r, key, REG(0));
	(yes ? rule_is : rule_is_not)(r, REG(0), prefix, strlen(prefix));
}

/* True if its connection is in one of these states. */
static inline void state_is(struct rule *r, uint32_t states)
{
	const uint32_t none = 0;

	rule_load_state(r, REG(0));
	rule_mask(r, REG(0), &states, sizeof(states));
	rule_is_not(r, REG(0), &none, sizeof(none));
}

/* The interface and an address, in registers that lie behind each other. */
static inline void load_pair(struct rule *r, uint32_t interface, uint32_t offset, uint32_t size)
{
	rule_load_meta(r, interface, REG(0));
	rule_load_network(r, offset, size, REG(1));
}

static inline void address_is(struct rule *r, uint32_t offset, uint32_t size,
			      const uint8_t *network, uint32_t bits)
{
	uint8_t masked[16], all[16] = {0};

	for (uint32_t bit = 0; bit < bits; bit++)
		all[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	for (uint32_t i = 0; i < size; i++)
		masked[i] = network[i] & all[i];
	rule_load_network(r, offset, size, REG(0));
	if (bits < size * 8)
		rule_mask(r, REG(0), all, size);
	rule_is(r, REG(0), masked, size);
}

/* name_rules.c. To be called in the order of the chains (rules.c). */
void judge_questions(const struct writing *w);
void judge_forwarded(const struct writing *w);
void judge_names(const struct writing *w, const struct family *f);
void receive_questions(const struct writing *w);
void translate_questions(const struct writing *w);

/* bounds.c, likewise. */
void judge_bounds(const struct writing *w, const struct family *f);
void bound_objects(const struct writing *w);
void bound_host(const struct writing *w);

#endif
