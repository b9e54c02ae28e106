// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * The addresses that an instance may reach, as rules of nf_tables; in the words of nft(8):
 *
 *   sender (prerouting)     iifname "PREFIX*": own source address? judge4 / judge6, or refuse
 *   judge4, judge6          questions, open connections, limits, deny, host.internal, the host, other
 *                           instances, exact, metadata, named, ranges, allow, names, open; the rest
 *                           is refused
 *   receiver (postrouting)  oifname "PREFIX*": only answers, and errors about what was sent; and
 *                           questions to ebb-dns
 *   leave (nat)             the host's own address instead of the pool's
 *   hostin (nat)            connections are counted; host.internal becomes 127.0.0.1, its port 53 ebb-dns; for ebb-dns, its
 *                           ports from 53 on are the host's resolvers
 *   asked (nat)             a resolver on 127.0.0.0/8 answers only to 127.0.0.1
 *   over_in, over_out       connections of the host that are over are soon forgotten (bounds.c)
 *
 * Packets are judged before they are routed and before others translate them (published ports of
 * containers). So it makes no difference whether an address is the host's own or behind the host.
 */
/* clang-format on */
#include <linux/rtnetlink.h>

#include "netns/ranges.h"
#include "netns/rules_inside.h"
#include "runtime/base/mem.h"

#define SET_CONNECTIONS "connections"
#define SET_TOLD        "told"
#define INTERFACES_MAX  16384 /* elements of sets that packets fill */
#define SHARDS_MAX      1024
#define TOLD_FOR_MS     60000
#define TOLD_RATE       1 /* lines a second, of an instance and a reason */
#define TOLD_BURST      10

/* As nft(8) numbers types of keys; six bits each, for listings only. */
enum key_type { TYPE_IPV4 = 7, TYPE_IPV6 = 8, TYPE_PORT = 13, TYPE_MARK = 19, TYPE_INTERFACE = 20 };

/* ---- sets ---- */

struct set {
	const char *name;
	uint32_t flags, elements_max, timeout_ms;
	uint8_t types[3], sizes[3]; /* of the parts of its key */
};

#define OF_ADDRESS_V4                \
	{TYPE_INTERFACE, TYPE_IPV4}, \
	{                            \
		4, 4                 \
	}
#define OF_ADDRESS_V6                \
	{TYPE_INTERFACE, TYPE_IPV6}, \
	{                            \
		4, 16                \
	}
#define OF_SUBNETS_V4                           \
	{TYPE_INTERFACE, TYPE_IPV4, TYPE_PORT}, \
	{                                       \
		4, 4, 2                         \
	}
#define OF_SUBNETS_V6                           \
	{TYPE_INTERFACE, TYPE_IPV6, TYPE_PORT}, \
	{                                       \
		4, 16, 2                        \
	}
#define INTERVALS (NFT_SET_INTERVAL | NFT_SET_CONCAT)

/* clang-format off */
static const struct set sets[] = {
	{SET_ADDRESS_V4, NFT_SET_CONCAT, 0, 0, OF_ADDRESS_V4},
	{SET_ADDRESS_V6, NFT_SET_CONCAT, 0, 0, OF_ADDRESS_V6},
	{SET_OPEN, 0, 0, 0, {TYPE_INTERFACE}, {4}},
	{SET_DENY_V4, INTERVALS, 0, 0, OF_SUBNETS_V4},
	{SET_DENY_V6, INTERVALS, 0, 0, OF_SUBNETS_V6},
	{SET_EXACT_V4, INTERVALS, 0, 0, OF_SUBNETS_V4},
	{SET_EXACT_V6, INTERVALS, 0, 0, OF_SUBNETS_V6},
	{SET_NAMED_V4, INTERVALS, 0, 0, OF_SUBNETS_V4},
	{SET_NAMED_V6, INTERVALS, 0, 0, OF_SUBNETS_V6},
	{SET_ALLOW_V4, INTERVALS, 0, 0, OF_SUBNETS_V4},
	{SET_ALLOW_V6, INTERVALS, 0, 0, OF_SUBNETS_V6},
	{SET_HOST_PORTS, NFT_SET_CONCAT, 0, 0, {TYPE_INTERFACE, TYPE_PORT}, {4, 2}},
	{SET_ASKS, 0, 0, 0, {TYPE_INTERFACE}, {4}},
	{SET_FORWARDS, 0, 0, 0, {TYPE_INTERFACE}, {4}},
	{SET_NAMES_V4, NFT_SET_TIMEOUT | NFT_SET_CONCAT, 0, 0, OF_SUBNETS_V4},
	{SET_NAMES_V6, NFT_SET_TIMEOUT | NFT_SET_CONCAT, 0, 0, OF_SUBNETS_V6},
	{SET_QUESTIONS, NFT_SET_EVAL | NFT_SET_TIMEOUT, INTERFACES_MAX, TOLD_FOR_MS,
	 {TYPE_INTERFACE}, {4}},
	{SET_MADE, NFT_SET_EVAL, INTERFACES_MAX, 0, {TYPE_INTERFACE}, {4}},
	{SET_CONNECTIONS, NFT_SET_EVAL, INTERFACES_MAX, 0, {TYPE_INTERFACE}, {4}},
	{SET_SHARDS, NFT_SET_EVAL, SHARDS_MAX, 0, {TYPE_PORT}, {2}},
	{SET_TOLD, NFT_SET_EVAL | NFT_SET_TIMEOUT | NFT_SET_CONCAT, INTERFACES_MAX, TOLD_FOR_MS,
	 {TYPE_INTERFACE, TYPE_MARK}, {4, 4}},
};
/* clang-format on */

static void put_parts(struct nl *n, const struct set *s)
{
	size_t desc = nl_nest(n, NFTA_SET_DESC), parts, part;

	if (s->elements_max > 0)
		nl_u32be(n, NFTA_SET_DESC_SIZE, s->elements_max);
	if (s->flags & NFT_SET_CONCAT) {
		parts = nl_nest(n, NFTA_SET_DESC_CONCAT);
		for (size_t i = 0; i < ARRAY_LEN(s->sizes) && s->sizes[i]; i++) {
			part = nl_nest(n, NFTA_LIST_ELEM);
			nl_u32be(n, NFTA_SET_FIELD_LEN, s->sizes[i]);
			nl_nest_end(n, part);
		}
		nl_nest_end(n, parts);
	}
	nl_nest_end(n, desc);
}

static void put_set(struct nl *n, const char *table, const struct set *s, uint32_t id)
{
	uint32_t type = 0, size = 0;

	for (size_t i = 0; i < ARRAY_LEN(s->sizes) && s->sizes[i]; i++) {
		type = type << 6 | s->types[i];
		size += s->flags & NFT_SET_CONCAT ? (s->sizes[i] + 3u) & ~3u : s->sizes[i];
	}
	inet_begin(n, NFT_MSG_NEWSET, NLM_F_CREATE);
	nl_text(n, NFTA_SET_TABLE, table);
	nl_text(n, NFTA_SET_NAME, s->name);
	nl_u32be(n, NFTA_SET_FLAGS, s->flags);
	nl_u32be(n, NFTA_SET_KEY_TYPE, type);
	nl_u32be(n, NFTA_SET_KEY_LEN, size);
	nl_u32be(n, NFTA_SET_ID, id);
	if (s->timeout_ms > 0)
		nl_u64be(n, NFTA_SET_TIMEOUT, s->timeout_ms);
	put_parts(n, s);
	nl_end(n);
}

/* ---- chains ---- */

struct chain {
	const char *name, *type; /* type NULL: others go there */
	uint32_t hook;
	int32_t priority;
};

/* -150: connections are known, nothing is translated yet. 100 and -100: addresses are
 * translated. */
static const struct chain chains[] = {
	{"sender", "filter", NF_INET_PRE_ROUTING, -150},
	{"receiver", "filter", NF_INET_POST_ROUTING, -150},
	{"leave", "nat", NF_INET_POST_ROUTING, 100},
	{"hostin", "nat", NF_INET_PRE_ROUTING, -100},
	{"asked", "nat", NF_INET_LOCAL_IN, 100},
	{CHAIN_OVER_IN, "filter", NF_INET_LOCAL_IN, -150},
	{CHAIN_OVER_OUT, "filter", NF_INET_LOCAL_OUT, -150},
	{"judge4", NULL, 0, 0},
	{"judge6", NULL, 0, 0},
};

static void put_chain(struct nl *n, const char *table, const struct chain *c)
{
	size_t hook;

	inet_begin(n, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nl_text(n, NFTA_CHAIN_TABLE, table);
	nl_text(n, NFTA_CHAIN_NAME, c->name);
	if (c->type) {
		hook = nl_nest(n, NFTA_CHAIN_HOOK);
		nl_u32be(n, NFTA_HOOK_HOOKNUM, c->hook);
		nl_u32be(n, NFTA_HOOK_PRIORITY, (uint32_t)c->priority);
		nl_nest_end(n, hook);
		nl_text(n, NFTA_CHAIN_TYPE, c->type);
		nl_u32be(n, NFTA_CHAIN_POLICY, NF_ACCEPT);
	}
	nl_end(n);
}

/* ---- rules ---- */

static const struct family families[] = {
	{"judge4", SET_ADDRESS_V4, SET_DENY_V4, SET_EXACT_V4, SET_NAMED_V4, SET_ALLOW_V4,
	 SET_NAMES_V4, NFPROTO_IPV4, AF_INET, IPPROTO_ICMP, V4_SOURCE, V4_TARGET, 4},
	{"judge6", SET_ADDRESS_V6, SET_DENY_V6, SET_EXACT_V6, SET_NAMED_V6, SET_ALLOW_V6,
	 SET_NAMES_V6, NFPROTO_IPV6, AF_INET6, IPPROTO_ICMPV6, V6_SOURCE, V6_TARGET, 16},
};

/* Whether the target of a packet is in a set of subnets. A protocol without ports has port 0. */
static void judge_subnets(const struct writing *w, const struct family *f, const char *set,
			  int32_t code, const char *chain)
{
	static const uint8_t with_ports[] = {IPPROTO_TCP, IPPROTO_UDP, 0};
	const uint16_t no_port = 0;

	for (size_t i = 0; i < ARRAY_LEN(with_ports); i++) {
		struct rule r = begin_rule(w, f->judge);

		byte_is(&r, NFT_META_L4PROTO, with_ports[i] ? with_ports[i] : f->icmp);
		load_pair(&r, NFT_META_IIF, f->target, f->size);
		if (with_ports[i])
			rule_load_transport(&r, PORT_TARGET, sizeof(no_port), REG(1 + f->size / 4));
		else
			rule_load_value(&r, &no_port, sizeof(no_port), REG(1 + f->size / 4));
		rule_is_in(&r, REG(0), set);
		finish(&r, code, chain);
	}
}

static void judge_states(const struct writing *w, const struct family *f)
{
	struct rule r = begin_rule(w, f->judge);

	state_is(&r, STATE_ESTABLISHED | STATE_RELATED);
	finish(&r, NF_ACCEPT, NULL);
	r = begin_rule(w, f->judge);
	state_is(&r, STATE_INVALID);
	finish(&r, NF_DROP, NULL);
}

static void judge_limit(const struct writing *w, const struct family *f)
{
	struct rule r = begin_rule(w, f->judge);

	state_is(&r, STATE_NEW);
	rule_load_meta(&r, NFT_META_IIF, REG(0));
	rule_connections_over(&r, REG(0), SET_CONNECTIONS, w->table->connections_max);
	refuse(&r, NET_REASON_LIMIT);
}

/* host.internal: the ports that are allowed, and no others. */
static void judge_host_internal(const struct writing *w, const struct family *f)
{
	struct rule r = begin_rule(w, f->judge);

	byte_is(&r, NFT_META_L4PROTO, IPPROTO_TCP);
	rule_load_network(&r, f->target, f->size, REG(0));
	rule_is(&r, REG(0), w->table->host_v4, sizeof(w->table->host_v4));
	rule_load_meta(&r, NFT_META_IIF, REG(0));
	rule_load_transport(&r, PORT_TARGET, sizeof(uint16_t), REG(1));
	rule_is_in(&r, REG(0), SET_HOST_PORTS);
	finish(&r, NF_ACCEPT, NULL);
	r = begin_rule(w, f->judge);
	rule_load_network(&r, f->target, f->size, REG(0));
	rule_is(&r, REG(0), w->table->host_v4, sizeof(w->table->host_v4));
	refuse(&r, NET_REASON_HOST);
}

/* All addresses that the host has at this moment, on any interface. */
static void judge_host(const struct writing *w, const struct family *f)
{
	static const uint32_t types[] = {RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST};

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct rule r = begin_rule(w, f->judge);

		rule_load_address_type(&r, REG(0));
		rule_is(&r, REG(0), &types[i], sizeof(types[i]));
		refuse(&r, NET_REASON_HOST);
	}
}

static void judge_range(const struct writing *w, const struct family *f, const uint8_t *network,
			uint32_t bits)
{
	struct rule r = begin_rule(w, f->judge);

	address_is(&r, f->target, f->size, network, bits);
	refuse(&r, NET_REASON_RANGE);
}

static void judge_pool(const struct writing *w, const struct family *f)
{
	const struct net_table *t = w->table;

	if (f->family == AF_INET)
		judge_range(w, f, t->pool_v4, t->pool_v4_bits);
	else
		judge_range(w, f, t->pool_v6, t->pool_v6_bits);
}

static void judge_ranges(const struct writing *w, const struct family *f, bool exact)
{
	for (size_t i = 0; net_range(i); i++)
		if (net_range(i)->family == f->family && net_range(i)->exact == exact)
			judge_range(w, f, net_range(i)->address, net_range(i)->bits);
}

static void judge(const struct writing *w, const struct family *f)
{
	struct rule r;

	if (f->family == AF_INET)
		judge_questions(w);
	judge_states(w, f);
	if (f->family == AF_INET)
		judge_forwarded(w);
	judge_limit(w, f);
	judge_bounds(w, f);
	judge_subnets(w, f, f->deny, NFT_GOTO, net_reason_name(NET_REASON_DENY));
	if (f->family == AF_INET)
		judge_host_internal(w, f);
	judge_host(w, f);
	judge_pool(w, f); /* other instances: no policy opens them */
	judge_subnets(w, f, f->exact, NF_ACCEPT, NULL);
	judge_ranges(w, f, true);
	judge_subnets(w, f, f->named, NF_ACCEPT, NULL);
	judge_ranges(w, f, false);
	judge_subnets(w, f, f->allow, NF_ACCEPT, NULL);
	judge_names(w, f);
	r = begin_rule(w, f->judge);
	rule_load_meta(&r, NFT_META_IIF, REG(0));
	rule_is_in(&r, REG(0), SET_OPEN);
	finish(&r, NF_ACCEPT, NULL);
	r = begin_rule(w, f->judge);
	refuse(&r, NET_REASON_LISTED);
}

static void put_sender(const struct writing *w)
{
	const uint8_t multicast = 0xff;
	struct rule r = begin_rule(w, "sender");

	/* Answers come to the host's own address until they are translated back. */
	name_is(&r, NFT_META_IIFNAME, w->table->prefix, false);
	byte_is(&r, NFT_META_NFPROTO, NFPROTO_IPV4);
	address_is(&r, V4_TARGET, 4, w->table->pool_v4, w->table->pool_v4_bits);
	finish(&r, NF_DROP, NULL);
	r = begin_rule(w, "sender");
	name_is(&r, NFT_META_IIFNAME, w->table->prefix, false);
	finish(&r, NF_ACCEPT, NULL);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		r = begin_rule(w, "sender");
		byte_is(&r, NFT_META_NFPROTO, families[i].protocol);
		load_pair(&r, NFT_META_IIF, families[i].source, families[i].size);
		rule_is_in(&r, REG(0), families[i].address);
		finish(&r, NFT_GOTO, families[i].judge);
	}
	/* The kernel inside announces the groups it hears from no address, and unasked (MLD, RFC
	 * 3810). Such packets are dropped without a word. */
	r = begin_rule(w, "sender");
	byte_is(&r, NFT_META_NFPROTO, NFPROTO_IPV6);
	rule_load_network(&r, V6_TARGET, sizeof(multicast), REG(0));
	rule_is(&r, REG(0), &multicast, sizeof(multicast));
	finish(&r, NF_DROP, NULL);
	r = begin_rule(w, "sender");
	refuse(&r, NET_REASON_SOURCE);
}

/* ICMP errors are let in without a connection, too: a refused packet never made one, and the sender
 * has to hear of the refusal. */
static void put_errors(const struct writing *w, const struct family *f)
{
	static const uint8_t v4[] = {3, 11, 12, 0}, v6[] = {1, 2, 3, 4};
	const uint8_t *types = f->family == AF_INET ? v4 : v6;

	for (size_t i = 0; i < sizeof(v6) && types[i]; i++) {
		struct rule r = begin_rule(w, "receiver");

		byte_is(&r, NFT_META_L4PROTO, f->icmp);
		rule_load_transport(&r, ICMP_TYPE, sizeof(types[i]), REG(0));
		rule_is(&r, REG(0), &types[i], sizeof(types[i]));
		byte_is(&r, NFT_META_NFPROTO, f->protocol);
		load_pair(&r, NFT_META_OIF, f->target, f->size);
		rule_is_in(&r, REG(0), f->address);
		finish(&r, NF_ACCEPT, NULL);
	}
}

static void put_receiver(const struct writing *w)
{
	struct rule r = begin_rule(w, "receiver");

	name_is(&r, NFT_META_OIFNAME, w->table->prefix, false);
	finish(&r, NF_ACCEPT, NULL);
	receive_questions(w);
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		r = begin_rule(w, "receiver");
		state_is(&r, STATE_ESTABLISHED | STATE_RELATED);
		byte_is(&r, NFT_META_NFPROTO, families[i].protocol);
		load_pair(&r, NFT_META_OIF, families[i].target, families[i].size);
		rule_is_in(&r, REG(0), families[i].address);
		finish(&r, NF_ACCEPT, NULL);
		put_errors(w, &families[i]);
	}
	r = begin_rule(w, "receiver");
	finish(&r, NF_DROP, NULL);
}

/* This hook sees the first packet of each connection that was let through, and no other. Questions
 * for names end before this rule. */
static void count_connections(const struct writing *w)
{
	struct rule r = begin_rule(w, "hostin");

	name_is(&r, NFT_META_IIFNAME, w->table->prefix, true);
	rule_load_meta(&r, NFT_META_IIF, REG(0));
	rule_count_each(&r, REG(0), SET_MADE);
	rule_end(&r);
}

static void put_translation(const struct writing *w)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	const struct net_table *t = w->table;
	struct rule r = begin_rule(w, "leave");

	name_is(&r, NFT_META_OIFNAME, t->prefix, true); /* to ebb-dns, which knows who asks */
	finish(&r, NF_ACCEPT, NULL);
	r = begin_rule(w, "leave");
	byte_is(&r, NFT_META_NFPROTO, NFPROTO_IPV4);
	address_is(&r, V4_SOURCE, 4, t->pool_v4, t->pool_v4_bits);
	rule_masquerade(&r);
	rule_end(&r);
	r = begin_rule(w, "leave");
	byte_is(&r, NFT_META_NFPROTO, NFPROTO_IPV6);
	address_is(&r, V6_SOURCE, 16, t->pool_v6, t->pool_v6_bits);
	rule_masquerade(&r);
	rule_end(&r);
	translate_questions(w);
	count_connections(w);
	r = begin_rule(w, "hostin");
	name_is(&r, NFT_META_IIFNAME, t->prefix, true);
	byte_is(&r, NFT_META_NFPROTO, NFPROTO_IPV4);
	rule_load_network(&r, V4_TARGET, sizeof(t->host_v4), REG(0));
	rule_is(&r, REG(0), t->host_v4, sizeof(t->host_v4));
	rule_load_value(&r, loopback, sizeof(loopback), REG(0));
	rule_translate(&r, NFT_NAT_DNAT, REG(0), 0);
	rule_end(&r);
}

/* A refusal is counted, told now and then (TOLD_RATE), and answered at once: with a reset for TCP,
 * else with an ICMP error. A packet with a wrong source address is not answered, because the answer
 * would go to that address. */
static void put_reason(const struct writing *w, uint32_t reason)
{
	const char *chain = net_reason_name(reason);
	struct rule r = begin_rule(w, chain);

	rule_count(&r);
	rule_end(&r);
	r = begin_rule(w, chain);
	rule_load_meta(&r, NFT_META_IIF, REG(0));
	rule_load_value(&r, &reason, sizeof(reason), REG(1));
	rule_seldom(&r, REG(0), SET_TOLD, TOLD_RATE, TOLD_BURST);
	rule_log(&r, w->table->log_group, chain);
	rule_end(&r);
	if (reason != NET_REASON_SOURCE) {
		r = begin_rule(w, chain);
		byte_is(&r, NFT_META_L4PROTO, IPPROTO_TCP);
		rule_reject(&r, NFT_REJECT_TCP_RST, 0);
		rule_end(&r);
		r = begin_rule(w, chain);
		rule_reject(&r, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
		rule_end(&r);
	}
	r = begin_rule(w, chain);
	finish(&r, NF_DROP, NULL);
}

void net_rules(struct nl *n, const struct net_table *t)
{
	const struct writing w = {n, t};

	for (uint32_t i = 0; i < ARRAY_LEN(sets); i++)
		put_set(n, t->name, &sets[i], i + 1);
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		put_chain(n, t->name, &chains[i]);
	for (uint32_t reason = 0; reason < NET_REASON_COUNT; reason++) {
		const struct chain chain = {.name = net_reason_name(reason)};

		put_chain(n, t->name, &chain);
	}
	bound_objects(&w);
	put_sender(&w);
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		judge(&w, &families[i]);
	put_receiver(&w);
	put_translation(&w);
	bound_host(&w);
	for (uint32_t reason = 0; reason < NET_REASON_COUNT; reason++)
		put_reason(&w, reason);
}
