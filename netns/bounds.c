// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * The host has one table of connections (nf_conntrack_max), and a host whose table is full drops
 * packets of everybody. ebb's table makes the kernel track all connections, so these rules bound
 * what it costs:
 *
 *   - A TCP connection that is over keeps its entry for OVER_S and not for two minutes: those of
 *     instances (judge4, judge6), and those of the host itself (over_in, over_out), such as a
 *     client's to a gateway. Connections that the host forwards for others are left alone.
 *   - Connections of all instances that are not over are connections_all at most, half of the
 *     table. The kernel counts entries in lists, so this number is cut into SHARDS by the source
 *     port: no list is long.
 *   - New ones of all instances have a pace (PACE_PART, BURST_PART), so those that are over have a
 *     quarter of the table at most: the kernel looks for them once a minute at least.
 *   - The host's own ones have no pace. When there are more than CROWD_PART of them a second, the
 *     rules tell ebb-net, once a second, and it makes the kernel look (net_tracked_sweep).
 */
/* clang-format on */
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_cttimeout.h>

#include "netns/nl.h"
#include "netns/rules_inside.h"
#include "runtime/base/mem.h"

#define OBJECT_OVER "ended" /* "over" is a word of nft(8) */
#define OVER_S      4
#define SHARDS      256
#define PACE_PART   160 /* 60 s and OVER_S of this pace, and BURST_PART, are half of all */
#define BURST_PART  10
#define CROWD_PART  240 /* 60 s of this pace are a quarter of all */
#define TOLD_RATE   1
#define PORT_SOURCE 0

void bound_objects(const struct writing *w)
{
	struct nl *n = w->nl;
	static const uint16_t over[] = {CTA_TIMEOUT_TCP_TIME_WAIT, CTA_TIMEOUT_TCP_CLOSE};
	const uint8_t protocol = IPPROTO_TCP;
	size_t data, policy;

	inet_begin(n, NFT_MSG_NEWOBJ, NLM_F_CREATE);
	nl_text(n, NFTA_OBJ_TABLE, w->table->name);
	nl_text(n, NFTA_OBJ_NAME, OBJECT_OVER);
	nl_u32be(n, NFTA_OBJ_TYPE, NFT_OBJECT_CT_TIMEOUT);
	data = nl_nest(n, NFTA_OBJ_DATA);
	nl_u16be(n, NFTA_CT_TIMEOUT_L3PROTO, NFPROTO_INET);
	nl_put(n, NFTA_CT_TIMEOUT_L4PROTO, &protocol, sizeof(protocol));
	policy = nl_nest(n, NFTA_CT_TIMEOUT_DATA);
	for (size_t i = 0; i < ARRAY_LEN(over); i++)
		nl_u32be(n, over[i], OVER_S);
	nl_nest_end(n, policy);
	nl_nest_end(n, data);
	nl_end(n);
}

/* The kernel looks only at connections that begin with this packet. */
static void put_over(const struct writing *w, const char *chain)
{
	struct rule r = begin_rule(w, chain);

	byte_is(&r, NFT_META_L4PROTO, IPPROTO_TCP);
	rule_refer(&r, NFT_OBJECT_CT_TIMEOUT, OBJECT_OVER);
	rule_end(&r);
}

static uint32_t part_of(const struct net_table *t, uint32_t part)
{
	return t->connections_all > part ? t->connections_all / part : 1;
}

static void put_crowd(const struct writing *w, const char *chain)
{
	const uint32_t rate = part_of(w->table, CROWD_PART);
	struct rule r = begin_rule(w, chain);

	state_is(&r, STATE_NEW);
	rule_faster(&r, rate, rate);
	rule_slower(&r, TOLD_RATE, TOLD_RATE);
	rule_log(&r, w->table->log_group, NET_CROWD);
	rule_end(&r);
}

void bound_host(const struct writing *w)
{
	static const char *const chains[] = {CHAIN_OVER_IN, CHAIN_OVER_OUT};

	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		put_over(w, chains[i]);
		put_crowd(w, chains[i]);
	}
}

void judge_bounds(const struct writing *w, const struct family *f)
{
	/* Ephemeral ports of connect(2) are even or odd alike: the lowest bit says little. */
	const uint16_t shard = htons((SHARDS - 1) << 1);
	struct rule r = begin_rule(w, f->judge);

	state_is(&r, STATE_NEW);
	rule_load_transport(&r, PORT_SOURCE, sizeof(shard), REG(0));
	rule_mask(&r, REG(0), &shard, sizeof(shard));
	rule_connections_over(&r, REG(0), SET_SHARDS, part_of(w->table, SHARDS));
	refuse(&r, NET_REASON_SHARED);
	r = begin_rule(w, f->judge);
	state_is(&r, STATE_NEW);
	rule_faster(&r, part_of(w->table, PACE_PART), part_of(w->table, BURST_PART));
	refuse(&r, NET_REASON_PACE);
	put_over(w, f->judge);
}

/* A listing removes each entry whose time is over. No entry is of this family, so none is listed.
 */
int net_tracked_sweep(int fd)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nfgenmsg head = {.nfgen_family = NFPROTO_ARP, .version = NFNETLINK_V0};
	struct nl n = NL_ON(buf);

	nl_begin(&n, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP, &head,
		 sizeof(head));
	nl_end(&n);
	return nl_ask(fd, &n, NULL, NULL);
}

static void note_max(void *self, const struct nlmsghdr *h)
{
	const struct nlattr *a =
		nl_find(h, sizeof(struct nfgenmsg), CTA_STATS_GLOBAL_MAX_ENTRIES, sizeof(uint32_t));
	uint32_t *out = self, be;

	if (!a)
		return;
	memcpy(&be, nl_data(a), sizeof(be));
	*out = ntohl(be);
}

int net_tracked_max(int fd, uint32_t *out)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nfgenmsg head = {.version = NFNETLINK_V0};
	struct nl n = NL_ON(buf);
	uint32_t found = 0;
	int r;

	nl_begin(&n, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS, 0, &head, sizeof(head));
	nl_end(&n);
	r = nl_ask(fd, &n, note_max, &found);
	if (r == 0 && found == 0)
		r = -ENODATA;
	if (r == 0)
		*out = found;
	return r;
}
