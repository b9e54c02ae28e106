// SPDX-License-Identifier: Apache-2.0
#include "netns/express.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#define NAT_FAMILY_V4 NFPROTO_IPV4

void inet_begin(struct nl *n, uint16_t type, uint16_t flags)
{
	const struct nfgenmsg head = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};

	nl_begin(n, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags | NLM_F_ACK, &head,
		 sizeof(head));
}

struct rule rule_begin(struct nl *n, const char *table, const char *chain)
{
	struct rule r = {.nl = n};

	inet_begin(n, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	nl_text(n, NFTA_RULE_TABLE, table);
	nl_text(n, NFTA_RULE_CHAIN, chain);
	r.expressions = nl_nest(n, NFTA_RULE_EXPRESSIONS);
	return r;
}

void rule_end(struct rule *r)
{
	nl_nest_end(r->nl, r->expressions);
	nl_end(r->nl);
}

/* The two attributes around every expression. */
struct expression {
	size_t element, data;
};

static struct expression open_expression(struct nl *n, uint16_t type, const char *name)
{
	struct expression e = {.element = nl_nest(n, type)};

	nl_text(n, NFTA_EXPR_NAME, name);
	e.data = nl_nest(n, NFTA_EXPR_DATA);
	return e;
}

static struct expression begin(struct rule *r, const char *name)
{
	return open_expression(r->nl, NFTA_LIST_ELEM, name);
}

static void end(struct rule *r, struct expression e)
{
	nl_nest_end(r->nl, e.data);
	nl_nest_end(r->nl, e.element);
}

static void put_data(struct rule *r, uint16_t type, const void *data, size_t size)
{
	size_t nest = nl_nest(r->nl, type);

	nl_put(r->nl, NFTA_DATA_VALUE, data, size);
	nl_nest_end(r->nl, nest);
}

void rule_load_meta(struct rule *r, uint32_t key, uint32_t reg)
{
	struct expression e = begin(r, "meta");

	nl_u32be(r->nl, NFTA_META_KEY, key);
	nl_u32be(r->nl, NFTA_META_DREG, reg);
	end(r, e);
}

void rule_load_state(struct rule *r, uint32_t reg)
{
	struct expression e = begin(r, "ct");

	nl_u32be(r->nl, NFTA_CT_KEY, NFT_CT_STATE);
	nl_u32be(r->nl, NFTA_CT_DREG, reg);
	end(r, e);
}

void rule_load_address_type(struct rule *r, uint32_t reg)
{
	struct expression e = begin(r, "fib");

	nl_u32be(r->nl, NFTA_FIB_DREG, reg);
	nl_u32be(r->nl, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nl_u32be(r->nl, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	end(r, e);
}

static void load_payload(struct rule *r, uint32_t base, uint32_t offset, uint32_t size,
			 uint32_t reg)
{
	struct expression e = begin(r, "payload");

	nl_u32be(r->nl, NFTA_PAYLOAD_DREG, reg);
	nl_u32be(r->nl, NFTA_PAYLOAD_BASE, base);
	nl_u32be(r->nl, NFTA_PAYLOAD_OFFSET, offset);
	nl_u32be(r->nl, NFTA_PAYLOAD_LEN, size);
	end(r, e);
}

void rule_load_network(struct rule *r, uint32_t offset, uint32_t size, uint32_t reg)
{
	load_payload(r, NFT_PAYLOAD_NETWORK_HEADER, offset, size, reg);
}

void rule_load_transport(struct rule *r, uint32_t offset, uint32_t size, uint32_t reg)
{
	load_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, offset, size, reg);
}

void rule_load_value(struct rule *r, const void *data, size_t size, uint32_t reg)
{
	struct expression e = begin(r, "immediate");

	nl_u32be(r->nl, NFTA_IMMEDIATE_DREG, reg);
	put_data(r, NFTA_IMMEDIATE_DATA, data, size);
	end(r, e);
}

void rule_mask(struct rule *r, uint32_t reg, const void *bits, size_t size)
{
	static const uint8_t zero[16];
	struct expression e = begin(r, "bitwise");

	nl_u32be(r->nl, NFTA_BITWISE_SREG, reg);
	nl_u32be(r->nl, NFTA_BITWISE_DREG, reg);
	nl_u32be(r->nl, NFTA_BITWISE_LEN, (uint32_t)size);
	put_data(r, NFTA_BITWISE_MASK, bits, size);
	put_data(r, NFTA_BITWISE_XOR, zero, size);
	end(r, e);
}

static void compare(struct rule *r, uint32_t op, uint32_t reg, const void *data, size_t size)
{
	struct expression e = begin(r, "cmp");

	nl_u32be(r->nl, NFTA_CMP_SREG, reg);
	nl_u32be(r->nl, NFTA_CMP_OP, op);
	put_data(r, NFTA_CMP_DATA, data, size);
	end(r, e);
}

void rule_is(struct rule *r, uint32_t reg, const void *data, size_t size)
{
	compare(r, NFT_CMP_EQ, reg, data, size);
}

void rule_is_not(struct rule *r, uint32_t reg, const void *data, size_t size)
{
	compare(r, NFT_CMP_NEQ, reg, data, size);
}

void rule_is_in(struct rule *r, uint32_t reg, const char *set)
{
	struct expression e = begin(r, "lookup");

	nl_text(r->nl, NFTA_LOOKUP_SET, set);
	nl_u32be(r->nl, NFTA_LOOKUP_SREG, reg);
	end(r, e);
}

static struct expression begin_dynset(struct rule *r, uint32_t op, uint32_t reg, const char *set)
{
	struct expression e = begin(r, "dynset");

	nl_text(r->nl, NFTA_DYNSET_SET_NAME, set);
	nl_u32be(r->nl, NFTA_DYNSET_OP, op);
	nl_u32be(r->nl, NFTA_DYNSET_SREG_KEY, reg);
	return e;
}

void rule_connections_over(struct rule *r, uint32_t reg, const char *set, uint32_t most)
{
	struct expression e = begin_dynset(r, NFT_DYNSET_OP_ADD, reg, set), inner;

	inner = open_expression(r->nl, NFTA_DYNSET_EXPR, "connlimit");
	nl_u32be(r->nl, NFTA_CONNLIMIT_COUNT, most);
	nl_u32be(r->nl, NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
	end(r, inner);
	end(r, e);
}

static void put_limit(struct rule *r, uint64_t rate, uint32_t burst, uint32_t flags)
{
	nl_u64be(r->nl, NFTA_LIMIT_RATE, rate);
	nl_u64be(r->nl, NFTA_LIMIT_UNIT, 1);
	nl_u32be(r->nl, NFTA_LIMIT_BURST, burst);
	nl_u32be(r->nl, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nl_u32be(r->nl, NFTA_LIMIT_FLAGS, flags);
}

void rule_seldom(struct rule *r, uint32_t reg, const char *set, uint64_t rate, uint32_t burst)
{
	struct expression e = begin_dynset(r, NFT_DYNSET_OP_UPDATE, reg, set), inner;

	inner = open_expression(r->nl, NFTA_DYNSET_EXPR, "limit");
	put_limit(r, rate, burst, 0);
	end(r, inner);
	end(r, e);
}

void rule_faster(struct rule *r, uint64_t rate, uint32_t burst)
{
	struct expression e = begin(r, "limit");

	put_limit(r, rate, burst, NFT_LIMIT_F_INV);
	end(r, e);
}

void rule_slower(struct rule *r, uint64_t rate, uint32_t burst)
{
	struct expression e = begin(r, "limit");

	put_limit(r, rate, burst, 0);
	end(r, e);
}

void rule_refer(struct rule *r, uint32_t type, const char *object)
{
	struct expression e = begin(r, "objref");

	nl_u32be(r->nl, NFTA_OBJREF_IMM_TYPE, type);
	nl_text(r->nl, NFTA_OBJREF_IMM_NAME, object);
	end(r, e);
}

void rule_count_each(struct rule *r, uint32_t reg, const char *set)
{
	struct expression e = begin_dynset(r, NFT_DYNSET_OP_ADD, reg, set), inner;

	inner = open_expression(r->nl, NFTA_DYNSET_EXPR, "counter");
	end(r, inner);
	end(r, e);
}

void rule_count(struct rule *r)
{
	end(r, begin(r, "counter"));
}

void rule_log(struct rule *r, uint16_t group, const char *prefix)
{
	struct expression e = begin(r, "log");

	nl_u16be(r->nl, NFTA_LOG_GROUP, group);
	nl_text(r->nl, NFTA_LOG_PREFIX, prefix);
	nl_u32be(r->nl, NFTA_LOG_SNAPLEN, 128);
	end(r, e);
}

void rule_verdict(struct rule *r, int32_t code, const char *chain)
{
	struct expression e = begin(r, "immediate");
	size_t data, inner;

	nl_u32be(r->nl, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(r->nl, NFTA_IMMEDIATE_DATA);
	inner = nl_nest(r->nl, NFTA_DATA_VERDICT);
	nl_u32be(r->nl, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain)
		nl_text(r->nl, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(r->nl, inner);
	nl_nest_end(r->nl, data);
	end(r, e);
}

void rule_reject(struct rule *r, uint32_t type, uint8_t code)
{
	struct expression e = begin(r, "reject");

	nl_u32be(r->nl, NFTA_REJECT_TYPE, type);
	nl_put(r->nl, NFTA_REJECT_ICMP_CODE, &code, sizeof(code));
	end(r, e);
}

void rule_masquerade(struct rule *r)
{
	end(r, begin(r, "masq"));
}

void rule_translate(struct rule *r, uint32_t type, uint32_t reg, uint32_t port_reg)
{
	struct expression e = begin(r, "nat");

	nl_u32be(r->nl, NFTA_NAT_TYPE, type);
	nl_u32be(r->nl, NFTA_NAT_FAMILY, NAT_FAMILY_V4);
	nl_u32be(r->nl, NFTA_NAT_REG_ADDR_MIN, reg);
	if (port_reg > 0)
		nl_u32be(r->nl, NFTA_NAT_REG_PROTO_MIN, port_reg);
	end(r, e);
}
