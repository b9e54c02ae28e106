// SPDX-License-Identifier: Apache-2.0
#include "netns/table.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/express.h"
#include "netns/nl.h"
#include "netns/ranges.h"
#include "netns/rules.h"
#include "runtime/base/mem.h"

#define RULES_BYTES    131072
#define ELEMENTS_BYTES 98304
#define MAPPED_BITS    96
#define V4_AT          12 /* behind ::ffff */

static void batch(struct nl *n, uint16_t type)
{
	const struct nfgenmsg head = {.version = NFNETLINK_V0,
				      .res_id = htons(NFNL_SUBSYS_NFTABLES)};

	nl_begin(n, type, 0, &head, sizeof(head));
	nl_end(n);
}

static void table_message(struct nl *n, uint16_t type, uint16_t flags, const char *name)
{
	inet_begin(n, type, flags);
	nl_text(n, NFTA_TABLE_NAME, name);
	/* The socket owns the table: `nft flush ruleset` of others passes it over. */
	if (type == NFT_MSG_NEWTABLE)
		nl_u32be(n, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nl_end(n);
}

/* The kernel gives no owner to a table that is there already, so an old one goes first. */
int net_table_make(int fd, const struct net_table *t)
{
	struct nl n = {.size = RULES_BYTES};
	int r = net_table_remove(fd, t->name);

	if (r < 0)
		return r;
	n.bytes = malloc(RULES_BYTES);
	if (!n.bytes)
		return -ENOMEM;
	batch(&n, NFNL_MSG_BATCH_BEGIN);
	table_message(&n, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->name);
	net_rules(&n, t);
	batch(&n, NFNL_MSG_BATCH_END);
	r = nl_exchange(fd, &n);
	free(n.bytes);
	return r;
}

int net_table_remove(int fd, const char *name)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nl n = NL_ON(buf);
	int r;

	batch(&n, NFNL_MSG_BATCH_BEGIN);
	table_message(&n, NFT_MSG_DELTABLE, 0, name);
	batch(&n, NFNL_MSG_BATCH_END);
	r = nl_exchange(fd, &n);
	return r == -ENOENT ? 0 : r;
}

static void note_table(void *self, const struct nlmsghdr *h)
{
	bool *found = self;

	*found = true;
}

int net_table_is(int fd, const char *name)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nfgenmsg head = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
	struct nl n = NL_ON(buf);
	bool found = false;
	int r;

	nl_begin(&n, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, 0, &head, sizeof(head));
	nl_text(&n, NFTA_TABLE_NAME, name);
	nl_end(&n);
	r = nl_ask(fd, &n, note_table, &found);
	return r == -ENOENT ? 0 : r < 0 ? r : found;
}

/* ---- elements ---- */

/* A key as sets with an interface hold it: the interface, an address, a port, each in four bytes or
 * a multiple of that. */
struct key {
	uint8_t bytes[24];
	size_t size;
};

static void key_add(struct key *k, const void *data, size_t size)
{
	must(k->size + size <= sizeof(k->bytes));
	memcpy(k->bytes + k->size, data, size);
	k->size += (size + 3) & ~(size_t)3;
}

static struct key key_of(uint32_t interface)
{
	struct key k = {.size = 0};

	key_add(&k, &interface, sizeof(interface));
	return k;
}

static void key_port(struct key *k, uint16_t port)
{
	uint16_t be = htons(port);

	key_add(k, &be, sizeof(be));
}

static void put_key(struct nl *n, uint16_t type, const struct key *k)
{
	size_t nest = nl_nest(n, type);

	nl_put(n, NFTA_DATA_VALUE, k->bytes, k->size);
	nl_nest_end(n, nest);
}

struct elements {
	struct nl nl;
	const char *table;
	bool add;
	uint64_t timeout_ms; /* 0: none */
};

/* One element into (or out of) a set; end: of an interval, or NULL. */
static void put_element(struct elements *e, const char *set, const struct key *key,
			const struct key *end)
{
	struct nl *n = &e->nl;
	size_t list, element;

	inet_begin(n, e->add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, e->add ? NLM_F_CREATE : 0);
	nl_text(n, NFTA_SET_ELEM_LIST_TABLE, e->table);
	nl_text(n, NFTA_SET_ELEM_LIST_SET, set);
	list = nl_nest(n, NFTA_SET_ELEM_LIST_ELEMENTS);
	element = nl_nest(n, NFTA_LIST_ELEM);
	put_key(n, NFTA_SET_ELEM_KEY, key);
	if (end)
		put_key(n, NFTA_SET_ELEM_KEY_END, end);
	if (e->add && e->timeout_ms > 0)
		nl_u64be(n, NFTA_SET_ELEM_TIMEOUT, e->timeout_ms);
	nl_nest_end(n, element);
	nl_nest_end(n, list);
	nl_end(n);
}

static int elements_send(struct elements *e, int fd)
{
	if (e->nl.count == 0)
		return 0;
	batch(&e->nl, NFNL_MSG_BATCH_END);
	return nl_exchange(fd, &e->nl);
}

int net_table_address(int fd, const char *name, bool add, uint32_t interface, const uint8_t v4[4],
		      const uint8_t *v6)
{
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct elements e = {.nl = NL_ON(buf), .table = name, .add = add};
	struct key k = key_of(interface);

	batch(&e.nl, NFNL_MSG_BATCH_BEGIN);
	key_add(&k, v4, 4);
	put_element(&e, SET_ADDRESS_V4, &k, NULL);
	if (v6) {
		k = key_of(interface);
		key_add(&k, v6, 16);
		put_element(&e, SET_ADDRESS_V6, &k, NULL);
	}
	return elements_send(&e, fd);
}

struct set_names {
	const char *v4, *v6;
};

static bool is_v4(const struct net_subnet *s)
{
	static const uint8_t mapped[V4_AT] = {[10] = 0xff, [11] = 0xff};

	return s->bits >= MAPPED_BITS && memcmp(s->address, mapped, sizeof(mapped)) == 0;
}

/* The last address of a network. */
static void last_of(const uint8_t *first, uint32_t bits, uint8_t *out, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint32_t fixed = bits > 8 * i ? bits - 8 * (uint32_t)i : 0;

		out[i] = fixed >= 8 ? first[i] : (uint8_t)(first[i] | 0xff >> fixed);
	}
}

/* An interval of addresses and one of ports. */
static void put_interval(struct elements *e, const struct set_names *sets, uint32_t interface,
			 const struct net_subnet *s, uint16_t port_first, uint16_t port_last)
{
	bool v4 = is_v4(s);
	size_t at = v4 ? V4_AT : 0, size = sizeof(s->address) - at;
	struct key first = key_of(interface), last = key_of(interface);
	uint8_t end[16];

	last_of(s->address, s->bits, end, sizeof(end));
	key_add(&first, s->address + at, size);
	key_port(&first, port_first);
	key_add(&last, end + at, size);
	key_port(&last, port_last);
	put_element(e, v4 ? sets->v4 : sets->v6, &first, &last);
}

static bool holds(const struct net_subnet *outer, const struct net_subnet *inner)
{
	uint8_t first[16], last[16];

	last_of(outer->address, outer->bits, last, sizeof(last));
	memcpy(first, inner->address, sizeof(first));
	return is_v4(outer) == is_v4(inner) && outer->bits <= inner->bits &&
	       memcmp(outer->address, first, sizeof(first)) <= 0 &&
	       memcmp(first, last, sizeof(first)) <= 0 && outer->port_first <= inner->port_first &&
	       outer->port_last >= inner->port_last;
}

/* A list of subnets, and the sets for them. plain takes a subnet that is public, at least in part.
 * named takes one that lies in a range that is not public; only such a subnet opens the range.
 * exact does the same for the ranges that are exact (ranges.h). */
struct subnets {
	const struct net_subnet *list;
	uint32_t count;
	struct set_names plain, named, exact;
};

static const struct set_names *sets_of(const struct subnets *s, uint32_t at)
{
	const struct net_range *range = net_range_of(s->list[at].address, s->list[at].bits);

	if (!range)
		return &s->plain;
	return range->exact ? &s->exact : &s->named;
}

/* Whether another subnet in the same set holds this one. Of two that are equal the first stays. */
static bool is_idle(const struct subnets *s, uint32_t at)
{
	const char *set = sets_of(s, at)->v4;

	for (uint32_t i = 0; i < s->count; i++)
		if (i != at && strcmp(sets_of(s, i)->v4, set) == 0 &&
		    holds(&s->list[i], &s->list[at]) &&
		    (i < at || !holds(&s->list[at], &s->list[i])))
			return true;
	return false;
}

/* Whether a subnet of the list has this one port. */
static bool has_port(const struct subnets *s, uint16_t port)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->list[i].port_first == port && s->list[i].port_last == port)
			return true;
	return false;
}

/* Whether a subnet with this one port, in the same set, holds all addresses of this one. */
static bool is_held(const struct subnets *s, uint32_t at, uint16_t port)
{
	struct net_subnet one = s->list[at];

	one.port_first = one.port_last = port;
	for (uint32_t i = 0; i < s->count; i++)
		if (strcmp(sets_of(s, i)->v4, sets_of(s, at)->v4) == 0 &&
		    holds(&s->list[i], &one) && s->list[i].port_first == port)
			return true;
	return false;
}

/* The last port of an interval must not be the one port of another subnet (below): such ports at
 * the end of all ports become intervals of their own. */
static void put_subnet(struct elements *e, uint32_t interface, const struct subnets *s, uint32_t at)
{
	const struct net_subnet *one = &s->list[at];
	uint16_t last = one->port_last;

	for (; one->port_first != one->port_last && has_port(s, last); last--)
		if (!is_held(s, at, last))
			put_interval(e, sets_of(s, at), interface, one, last, last);
	put_interval(e, sets_of(s, at), interface, one, one->port_first, last);
}

/* A set takes no interval whose first or last key lies in another interval. So subnets with one
 * port come first, and subnets with all ports after them. */
static void put_subnets(struct elements *e, uint32_t interface, const struct subnets *s)
{
	for (int all_ports = 0; all_ports < 2; all_ports++)
		for (uint32_t i = 0; i < s->count; i++)
			if ((s->list[i].port_first != s->list[i].port_last) == all_ports &&
			    !is_idle(s, i))
				put_subnet(e, interface, s, i);
}

/* An element that is removed twice makes the kernel refuse the whole batch. */
static bool is_repeated(const struct net_policy *p, uint32_t at)
{
	for (uint32_t i = 0; i < at; i++)
		if (p->host_ports[i] == p->host_ports[at])
			return true;
	return false;
}

static void put_policy(struct elements *e, uint32_t interface, const struct net_policy *p)
{
	const struct set_names denied = {SET_DENY_V4, SET_DENY_V6};
	const struct subnets deny = {p->deny, p->deny_count, denied, denied, denied},
			     allow = {p->allow,
				      p->allow_count,
				      {SET_ALLOW_V4, SET_ALLOW_V6},
				      {SET_NAMED_V4, SET_NAMED_V6},
				      {SET_EXACT_V4, SET_EXACT_V6}};
	struct key k = key_of(interface);

	must(p->allow_count <= NET_SUBNETS_MAX && p->deny_count <= NET_SUBNETS_MAX &&
	     p->host_port_count <= NET_HOST_PORTS_MAX);
	if (p->internet)
		put_element(e, SET_OPEN, &k, NULL);
	if (p->asks)
		put_element(e, SET_ASKS, &k, NULL);
	put_subnets(e, interface, &deny);
	put_subnets(e, interface, &allow);
	for (uint32_t i = 0; i < p->host_port_count; i++) {
		if (is_repeated(p, i))
			continue;
		k = key_of(interface);
		key_port(&k, p->host_ports[i]);
		put_element(e, SET_HOST_PORTS, &k, NULL);
	}
}

int net_table_policy(int fd, const char *name, bool add, uint32_t interface,
		     const struct net_policy *policy)
{
	char buf[ELEMENTS_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct elements e = {.nl = NL_ON(buf), .table = name, .add = add};

	batch(&e.nl, NFNL_MSG_BATCH_BEGIN);
	put_policy(&e, interface, policy);
	return elements_send(&e, fd);
}

int net_table_forwards(int fd, const char *name, bool add, uint32_t interface)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct elements e = {.nl = NL_ON(buf), .table = name, .add = add};
	const struct key k = key_of(interface);

	batch(&e.nl, NFNL_MSG_BATCH_BEGIN);
	put_element(&e, SET_FORWARDS, &k, NULL);
	return elements_send(&e, fd);
}

/* Adding an element that is there may leave its time as it was (before Linux 6.12), and removing
 * one that is not there fails the batch. So it is added, removed, and added. */
int net_table_open(int fd, const char *name, uint32_t interface, const uint8_t address[16],
		   uint16_t port, uint32_t ttl_s)
{
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct elements e = {.nl = NL_ON(buf),
			     .table = name,
			     .timeout_ms = (ttl_s ? ttl_s : 1) * UINT64_C(1000)};
	struct net_subnet s = {.bits = 128};
	struct key k = key_of(interface);
	const char *set;
	size_t at;

	memcpy(s.address, address, sizeof(s.address));
	at = is_v4(&s) ? V4_AT : 0;
	set = at ? SET_NAMES_V4 : SET_NAMES_V6;
	key_add(&k, address + at, sizeof(s.address) - at);
	key_port(&k, port);
	batch(&e.nl, NFNL_MSG_BATCH_BEGIN);
	for (int i = 0; i < (ttl_s ? 3 : 2); i++) {
		e.add = i != 1;
		put_element(&e, set, &k, NULL);
	}
	return elements_send(&e, fd);
}

/* ---- connections that were made ---- */

static void put_made(struct nl *n, uint32_t interface)
{
	const struct key k = key_of(interface);
	size_t list = nl_nest(n, NFTA_SET_ELEM_LIST_ELEMENTS), element = nl_nest(n, NFTA_LIST_ELEM);

	put_key(n, NFTA_SET_ELEM_KEY, &k);
	nl_nest_end(n, element);
	nl_nest_end(n, list);
}

/* The element of the answer, and in it its counter. */
static void note_made(void *self, const struct nlmsghdr *h)
{
	uint64_t *made = self;
	const struct nlattr *a =
		nl_find(h, sizeof(struct nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS, 0);

	a = nl_find_in(nl_find_in(a, NFTA_LIST_ELEM, 0), NFTA_SET_ELEM_EXPR, 0);
	a = nl_find_in(nl_find_in(a, NFTA_EXPR_DATA, 0), NFTA_COUNTER_PACKETS, sizeof(*made));
	if (a) {
		memcpy(made, nl_data(a), sizeof(*made));
		*made = be64toh(*made);
	}
}

int net_table_connections(int fd, const char *name, uint32_t interface, uint64_t *out)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nfgenmsg head = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
	struct nl n = NL_ON(buf);
	uint64_t made = 0;
	int r;

	nl_begin(&n, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM, 0, &head, sizeof(head));
	nl_text(&n, NFTA_SET_ELEM_LIST_TABLE, name);
	nl_text(&n, NFTA_SET_ELEM_LIST_SET, SET_MADE);
	put_made(&n, interface);
	nl_end(&n);
	r = nl_ask(fd, &n, note_made, &made);
	if (r < 0 && r != -ENOENT) /* none was made yet */
		return r;
	*out = made;
	return 0;
}

void net_table_forget(int fd, const char *name, uint32_t interface)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct elements e = {.nl = NL_ON(buf), .table = name};
	const struct key k = key_of(interface);

	batch(&e.nl, NFNL_MSG_BATCH_BEGIN);
	put_element(&e, SET_MADE, &k, NULL);
	(void)elements_send(&e, fd); /* -ENOENT: it made none */
}
