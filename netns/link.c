// SPDX-License-Identifier: Apache-2.0
#include "netns/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/nl.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define INNER_NAME    "eth0"
#define REQUEST_BYTES 2048
#define ADDRESS_V4    4
#define ADDRESS_V6    16
#define PROTOCOL_EBB  235 /* of routes, for people who list them (rtnetlink(7), rtm_protocol) */

struct hardware {
	uint8_t bytes[6];
};

/* Locally administered, and the same on both ends. */
static struct hardware hardware_of(const struct net_wire *w)
{
	return (struct hardware){{0x02, 0xeb, 0xb0, (uint8_t)(w->number >> 16),
				  (uint8_t)(w->number >> 8), (uint8_t)w->number}};
}

static void put_queues(struct nl *n)
{
	nl_u32(n, IFLA_NUM_TX_QUEUES, 1);
	nl_u32(n, IFLA_NUM_RX_QUEUES, 1);
}

/* The inner end is made inside the namespace, and asks for no neighbours. net_ns_fd -1 is for a
 * try: then both ends stay on the host. */
static void put_peer(struct nl *n, const struct net_wire *w, int net_ns_fd)
{
	const struct ifinfomsg down = {.ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP};
	const struct hardware hardware = hardware_of(w);
	size_t peer = nl_nest(n, VETH_INFO_PEER);

	nl_raw(n, &down, sizeof(down));
	nl_put(n, IFLA_ADDRESS, &hardware, sizeof(hardware));
	put_queues(n);
	if (net_ns_fd >= 0) {
		nl_text(n, IFLA_IFNAME, INNER_NAME);
		nl_u32(n, IFLA_NET_NS_FD, (uint32_t)net_ns_fd);
	} else {
		char name[IFNAMSIZ];

		(void)text_format(name, sizeof(name), "%st", w->name);
		nl_text(n, IFLA_IFNAME, name);
	}
	nl_nest_end(n, peer);
}

static int make_pair(int host_fd, const struct net_wire *w, int net_ns_fd)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct ifinfomsg down = {.ifi_flags = IFF_NOARP, .ifi_change = IFF_NOARP};
	const struct hardware hardware = hardware_of(w);
	struct nl n = NL_ON(buf);
	size_t info, data;

	nl_begin(&n, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &down, sizeof(down));
	nl_text(&n, IFLA_IFNAME, w->name);
	nl_put(&n, IFLA_ADDRESS, &hardware, sizeof(hardware));
	put_queues(&n);
	info = nl_nest(&n, IFLA_LINKINFO);
	nl_text(&n, IFLA_INFO_KIND, "veth");
	data = nl_nest(&n, IFLA_INFO_DATA);
	put_peer(&n, w, net_ns_fd);
	nl_nest_end(&n, data);
	nl_nest_end(&n, info);
	nl_end(&n);
	return nl_exchange(host_fd, &n);
}

static void note_index(void *self, const struct nlmsghdr *h)
{
	uint32_t *index = self;

	if (h->nlmsg_type == RTM_NEWLINK)
		*index = (uint32_t)((const struct ifinfomsg *)NLMSG_DATA(h))->ifi_index;
}

static int index_of(int fd, const char *name, uint32_t *out)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct ifinfomsg any = {0};
	struct nl n = NL_ON(buf);
	uint32_t index = 0;
	int r;

	nl_begin(&n, RTM_GETLINK, 0, &any, sizeof(any));
	nl_text(&n, IFLA_IFNAME, name);
	nl_end(&n);
	r = nl_ask(fd, &n, note_index, &index);
	if (r < 0)
		return r;
	if (index == 0)
		return -ENODEV;
	*out = index;
	return 0;
}

struct knob {
	uint16_t id;
	uint32_t value;
};

static void put_knobs(struct nl *n, const struct knob *knobs, size_t count)
{
	size_t family = nl_nest(n, AF_INET), values = nl_nest(n, IFLA_INET_CONF);

	for (size_t i = 0; i < count; i++)
		nl_u32(n, knobs[i].id, knobs[i].value);
	nl_nest_end(n, values);
	nl_nest_end(n, family);
}

/* route_localnet: host.internal is translated to 127.0.0.1 of the host, which the kernel would
 * refuse on another interface than lo. The rules refuse every other packet to 127.0.0.0/8
 * (rules.c). */
static const struct knob host_knobs[] = {
	{IPV4_DEVCONF_FORWARDING, 1},          {IPV4_DEVCONF_ACCEPT_REDIRECTS, 0},
	{IPV4_DEVCONF_SEND_REDIRECTS, 0},      {IPV4_DEVCONF_SECURE_REDIRECTS, 0},
	{IPV4_DEVCONF_ROUTE_LOCALNET, 1},      {IPV4_DEVCONF_ARP_IGNORE, 8},
	{IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0},
};

/* To be called while the interface is down: then it never gets a link-local address of IPv6. */
static int set_knobs(int host_fd, uint32_t index)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct ifinfomsg link = {.ifi_index = (int)index};
	const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct nl n = NL_ON(buf);
	size_t spec, family;

	nl_begin(&n, RTM_SETLINK, NLM_F_ACK, &link, sizeof(link));
	spec = nl_nest(&n, IFLA_AF_SPEC);
	put_knobs(&n, host_knobs, ARRAY_LEN(host_knobs));
	family = nl_nest(&n, AF_INET6);
	nl_put(&n, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	nl_nest_end(&n, family);
	nl_nest_end(&n, spec);
	nl_end(&n);
	return nl_exchange(host_fd, &n);
}

static int set_up(int fd, uint32_t index)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct ifinfomsg up = {
		.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nl n = NL_ON(buf);

	nl_begin(&n, RTM_SETLINK, NLM_F_ACK, &up, sizeof(up));
	nl_end(&n);
	return nl_exchange(fd, &n);
}

/* A route to one address (size > 0) or to all (0), out of this interface and without a gateway. */
static int add_route(int fd, uint32_t index, uint8_t family, const uint8_t *address, size_t size)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct rtmsg route = {.rtm_family = family,
				    .rtm_dst_len = (uint8_t)(size * 8),
				    .rtm_table = RT_TABLE_MAIN,
				    .rtm_protocol = PROTOCOL_EBB,
				    .rtm_scope =
					    family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
				    .rtm_type = RTN_UNICAST};
	struct nl n = NL_ON(buf);

	nl_begin(&n, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &route, sizeof(route));
	if (size > 0)
		nl_put(&n, RTA_DST, address, size);
	nl_u32(&n, RTA_OIF, index);
	nl_end(&n);
	return nl_exchange(fd, &n);
}

static int add_address(int fd, uint32_t index, uint8_t family, const uint8_t *address, size_t size)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct ifaddrmsg own = {.ifa_family = family,
				      .ifa_prefixlen = (uint8_t)(size * 8),
				      .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
				      .ifa_index = index};
	struct nl n = NL_ON(buf);

	nl_begin(&n, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &own, sizeof(own));
	nl_put(&n, IFA_LOCAL, address, size);
	nl_put(&n, IFA_ADDRESS, address, size);
	nl_end(&n);
	return nl_exchange(fd, &n);
}

static int set_host_end(int host_fd, const struct net_wire *w, uint32_t index)
{
	int r = set_knobs(host_fd, index);

	if (r == 0)
		r = set_up(host_fd, index);
	if (r == 0)
		r = add_route(host_fd, index, AF_INET, w->v4, ADDRESS_V4);
	if (r == 0 && w->has_v6)
		r = add_route(host_fd, index, AF_INET6, w->v6, ADDRESS_V6);
	return r;
}

static int set_inner_end(int inside_fd, const struct net_wire *w)
{
	uint32_t index;
	int r = index_of(inside_fd, INNER_NAME, &index);

	if (r == 0)
		r = set_up(inside_fd, index);
	if (r == 0)
		r = add_address(inside_fd, index, AF_INET, w->v4, ADDRESS_V4);
	if (r == 0)
		r = add_route(inside_fd, index, AF_INET, NULL, 0);
	if (r == 0 && w->has_v6)
		r = add_address(inside_fd, index, AF_INET6, w->v6, ADDRESS_V6);
	if (r == 0 && w->has_v6)
		r = add_route(inside_fd, index, AF_INET6, NULL, 0);
	return r;
}

static int set_ends(int host_fd, int inside_fd, const struct net_wire *w, uint32_t *out_index,
		    enum net_step *step)
{
	uint32_t index = 0;
	int r = index_of(host_fd, w->name, &index);

	*step = NET_STEP_HOST_END;
	if (r == 0)
		r = set_host_end(host_fd, w, index);
	if (r == 0) {
		*step = NET_STEP_INNER_END;
		r = set_inner_end(inside_fd, w);
	}
	if (r == 0)
		*out_index = index;
	else if (index > 0)
		(void)net_wire_remove(host_fd, index);
	return r;
}

int net_wire_make(int host_fd, int inside_fd, int net_ns_fd, const struct net_wire *w,
		  uint32_t *out_index, enum net_step *step)
{
	uint32_t before;
	int r;

	/* A wire that ended stays as long as somebody holds its namespace. */
	if (index_of(host_fd, w->name, &before) == 0)
		(void)net_wire_remove(host_fd, before);
	*step = NET_STEP_LINK;
	r = make_pair(host_fd, w, net_ns_fd);
	return r < 0 ? r : set_ends(host_fd, inside_fd, w, out_index, step);
}

int net_wire_try(int host_fd, const char *prefix)
{
	struct net_wire wire = {.number = 0};
	uint32_t index = 0;
	int r;

	(void)text_format(wire.name, sizeof(wire.name), "%sttt", prefix);
	r = make_pair(host_fd, &wire, -1);
	if (r == 0)
		r = index_of(host_fd, wire.name, &index);
	return r < 0 ? r : net_wire_remove(host_fd, index);
}

int net_wire_remove(int host_fd, uint32_t index)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct ifinfomsg link = {.ifi_index = (int)index};
	struct nl n = NL_ON(buf);

	nl_begin(&n, RTM_DELLINK, NLM_F_ACK, &link, sizeof(link));
	nl_end(&n);
	return nl_exchange(host_fd, &n);
}

struct listing {
	const char *prefix;
	void (*on_link)(void *self, const char *name, uint32_t index);
	void *self;
};

static void on_listed(void *self, const struct nlmsghdr *h)
{
	const struct listing *l = self;
	const struct ifinfomsg *link = NLMSG_DATA(h);
	const struct nlattr *name = nl_find(h, sizeof(*link), IFLA_IFNAME, 1);

	if (h->nlmsg_type == RTM_NEWLINK && name && nl_size(name) <= IFNAMSIZ &&
	    strncmp(nl_data(name), l->prefix, strlen(l->prefix)) == 0)
		l->on_link(l->self, nl_data(name), (uint32_t)link->ifi_index);
}

int net_wires(int host_fd, const char *prefix,
	      void (*on_link)(void *self, const char *name, uint32_t index), void *self)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct listing listing = {.prefix = prefix, .on_link = on_link, .self = self};
	const struct ifinfomsg any = {0};
	struct nl n = NL_ON(buf);

	nl_begin(&n, RTM_GETLINK, NLM_F_DUMP, &any, sizeof(any));
	nl_end(&n);
	return nl_ask(host_fd, &n, on_listed, &listing);
}

static void note_oif(void *self, const struct nlmsghdr *h)
{
	const struct nlattr *a = nl_find(h, sizeof(struct rtmsg), RTA_OIF, sizeof(uint32_t));
	int *index = self;

	if (h->nlmsg_type == RTM_NEWROUTE && a)
		memcpy(index, nl_data(a), sizeof(*index));
}

int net_link_to(int host_fd, int family, const uint8_t *address)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	size_t size = family == AF_INET ? ADDRESS_V4 : ADDRESS_V6;
	const struct rtmsg to = {.rtm_family = (uint8_t)family, .rtm_dst_len = (uint8_t)(size * 8)};
	struct nl n = NL_ON(buf);
	int index = 0, r;

	nl_begin(&n, RTM_GETROUTE, 0, &to, sizeof(to));
	nl_put(&n, RTA_DST, address, size);
	nl_end(&n);
	r = nl_ask(host_fd, &n, note_oif, &index);
	if (r < 0)
		return r;
	return index > 0 ? index : -ENETUNREACH;
}

struct defaults {
	uint32_t *out, max, count;
};

static void add_default(struct defaults *d, uint32_t index)
{
	for (uint32_t i = 0; i < d->count && i < d->max; i++)
		if (d->out[i] == index)
			return;
	if (d->count < d->max)
		d->out[d->count] = index;
	d->count++;
}

/* A route with several ways has an interface for each of them (rtnetlink(7)). */
static void add_ways(struct defaults *d, const struct nlattr *ways)
{
	const char *at = nl_data(ways);
	size_t left = nl_size(ways);

	while (left >= sizeof(struct rtnexthop)) {
		struct rtnexthop way;

		memcpy(&way, at, sizeof(way));
		if (way.rtnh_len < sizeof(way) || NLMSG_ALIGN(way.rtnh_len) > left)
			return;
		add_default(d, (uint32_t)way.rtnh_ifindex);
		at += NLMSG_ALIGN(way.rtnh_len);
		left -= NLMSG_ALIGN(way.rtnh_len);
	}
}

static void note_default(void *self, const struct nlmsghdr *h)
{
	const struct rtmsg *route = NLMSG_DATA(h);
	const struct nlattr *oif, *ways;
	uint32_t index;

	if (h->nlmsg_type != RTM_NEWROUTE || route->rtm_dst_len != 0 ||
	    route->rtm_type != RTN_UNICAST)
		return;
	oif = nl_find(h, sizeof(*route), RTA_OIF, sizeof(index));
	ways = nl_find(h, sizeof(*route), RTA_MULTIPATH, sizeof(struct rtnexthop));
	if (ways)
		add_ways(self, ways);
	if (!oif)
		return;
	memcpy(&index, nl_data(oif), sizeof(index));
	add_default(self, index);
}

int net_default_links(int host_fd, int family, uint32_t *out, uint32_t max)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct rtmsg all = {.rtm_family = (uint8_t)family};
	struct defaults found = {.out = out, .max = max};
	struct nl n = NL_ON(buf);
	int r;

	nl_begin(&n, RTM_GETROUTE, NLM_F_DUMP, &all, sizeof(all));
	nl_end(&n);
	r = nl_ask(host_fd, &n, note_default, &found);
	return r < 0 ? r : (int)found.count;
}

struct overlap {
	uint32_t network, mask;
	uint8_t found[4];
	bool is;
};

/* A default route leads everywhere and is no claim to these addresses. */
static void note_overlap(void *self, const struct nlmsghdr *h)
{
	const struct rtmsg *route = NLMSG_DATA(h);
	struct overlap *o = self;
	uint32_t mask, to;
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWROUTE || route->rtm_dst_len == 0 ||
	    route->rtm_protocol == PROTOCOL_EBB)
		return;
	a = nl_find(h, sizeof(*route), RTA_DST, sizeof(to));
	if (!a)
		return;
	memcpy(&to, nl_data(a), sizeof(to));
	mask = o->mask & htonl(~UINT32_C(0) << (32 - route->rtm_dst_len));
	if ((to & mask) != (o->network & mask))
		return;
	memcpy(o->found, &to, sizeof(o->found));
	o->is = true;
}

int net_route_within(int host_fd, const uint8_t v4[4], uint32_t bits, uint8_t out_v4[4])
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct rtmsg all = {.rtm_family = AF_INET};
	struct overlap o = {.mask = htonl(~UINT32_C(0) << (32 - bits))};
	struct nl n = NL_ON(buf);
	int r;

	memcpy(&o.network, v4, sizeof(o.network));
	nl_begin(&n, RTM_GETROUTE, NLM_F_DUMP, &all, sizeof(all));
	nl_end(&n);
	r = nl_ask(host_fd, &n, note_overlap, &o);
	if (r == 0 && o.is)
		memcpy(out_v4, o.found, sizeof(o.found));
	return r < 0 ? r : o.is;
}

static void note_forwarding(void *self, const struct nlmsghdr *h)
{
	const struct nlattr *a =
		nl_find(h, sizeof(struct netconfmsg), NETCONFA_FORWARDING, sizeof(int));
	int *on = self;

	if (h->nlmsg_type == RTM_NEWNETCONF && a)
		memcpy(on, nl_data(a), sizeof(*on));
}

int net_forwards(int host_fd, int family, uint32_t index)
{
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct netconfmsg conf = {.ncm_family = (uint8_t)family};
	struct nl n = NL_ON(buf);
	int on = 0, r;

	nl_begin(&n, RTM_GETNETCONF, 0, &conf, sizeof(conf));
	nl_u32(&n, NETCONFA_IFINDEX, index ? index : (uint32_t)NETCONFA_IFINDEX_ALL);
	nl_end(&n);
	r = nl_ask(host_fd, &n, note_forwarding, &on);
	return r < 0 ? r : on != 0;
}

int net_forward(int host_fd, uint32_t index, bool on)
{
	const struct knob forwarding = {IPV4_DEVCONF_FORWARDING, on};
	char buf[REQUEST_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct ifinfomsg link = {.ifi_index = (int)index};
	struct nl n = NL_ON(buf);
	size_t spec;

	nl_begin(&n, RTM_SETLINK, NLM_F_ACK, &link, sizeof(link));
	spec = nl_nest(&n, IFLA_AF_SPEC);
	put_knobs(&n, &forwarding, 1);
	nl_nest_end(&n, spec);
	nl_end(&n);
	return nl_exchange(host_fd, &n);
}
