// SPDX-License-Identifier: Apache-2.0
#include "runtime/net/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns/link.h"
#include "netns/nl.h"
#include "netns/ranges.h"
#include "netns/refusal.h"
#include "netns/table.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/ip.h"
#include "runtime/base/log.h"
#include "runtime/base/loop.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/net/openings.h"
#include "runtime/net/told.h"
#include "runtime/wire/link.h"
#include "runtime/wire/records.h"

#define POOL_V4_BITS   20 /* 4,096 addresses: one for each range */
#define POOL_V6_BITS   64
#define HOST_NUMBER    1
#define GROUPS_TRIED   64
#define MAPPED_BITS    96
#define TRACKED_LEAST  65536 /* nf_conntrack_max of a host with 1 GB */
#define FORWARDING_MAX 64
#define DEFAULTS_MAX   16 /* interfaces of default routes */

enum phase { PHASE_NEW = 1, PHASE_SERVING = 2 };

struct net {
	struct loop *loop;
	struct wire_link control;
	struct watch refusals;
	int host_fd, table_fd; /* NETLINK_ROUTE, NETLINK_NETFILTER */
	struct wire_net_config config;
	struct net_table table;
	bool made;                             /* the table is there: from the first sandbox on */
	uint32_t interface[NET_RANGES];        /* 0 = none */
	struct openings *openings[NET_RANGES]; /* owned; NULL: no name was opened */
	uint32_t doomed;
	uint32_t forwarding[FORWARDING_MAX], forwarding_count; /* switched on here */
	struct told told;
};

/* ---- addresses ---- */

_Static_assert(NET_RANGES <= 1 << (32 - POOL_V4_BITS), "each range has an address of the pool");

static void address_v4(const struct net *net, uint32_t range, uint8_t out[4])
{
	must(range < NET_RANGES);
	net_range_address(net->config.pool_v4, 4, range, out);
}

static void address_v6(const struct net *net, uint32_t range, uint8_t out[16])
{
	must(range < NET_RANGES);
	net_range_address(net->config.pool_v6, 16, range, out);
}

static void describe_wire(const struct net *net, uint32_t range, struct net_wire *out)
{
	*out = (struct net_wire){.number = range};
	(void)text_format(out->name, sizeof(out->name), "%s%04x", net->config.prefix, range);
	address_v4(net, range, out->v4);
	address_v6(net, range, out->v6);
	out->has_v6 = range != NET_RANGE_DNS && net_forwards(net->host_fd, AF_INET6, 0) == 1;
}

/* Answers come in on the interface on which the packets go out: it has to forward them. */
static int forward_from(struct net *net, uint32_t index)
{
	int r = net_forwards(net->host_fd, AF_INET, index);

	if (r != 0)
		return r < 0 ? r : 0;
	r = net_forward(net->host_fd, index, true);
	if (r == 0 && net->forwarding_count < FORWARDING_MAX)
		net->forwarding[net->forwarding_count++] = index;
	return r;
}

/* Unless somebody else made the host a router meanwhile: then these interfaces are his. */
static void forward_no_more(struct net *net)
{
	if (net_forwards(net->host_fd, AF_INET, 0) != 0)
		return;
	for (uint32_t i = 0; i < net->forwarding_count; i++)
		(void)net_forward(net->host_fd, net->forwarding[i], false);
}

static int forward_defaults(struct net *net)
{
	uint32_t links[DEFAULTS_MAX];
	int count = net_default_links(net->host_fd, AF_INET, links, DEFAULTS_MAX), r = 0;

	for (int i = 0; r == 0 && i < count && i < DEFAULTS_MAX; i++)
		r = forward_from(net, links[i]);
	return count < 0 ? count : r;
}

/* Without a route there is nothing to do: the kernel tells the instance that tries. */
static int forward_to(struct net *net, const uint8_t v4[4])
{
	int index = net_link_to(net->host_fd, AF_INET, v4);

	return index < 0 ? 0 : forward_from(net, (uint32_t)index);
}

/* ---- the beginning ---- */

static void describe_table(struct net *net)
{
	const struct wire_net_config *c = &net->config;
	struct net_table *t = &net->table;

	*t = (struct net_table){.pool_v4_bits = POOL_V4_BITS,
				.pool_v6_bits = POOL_V6_BITS,
				.connections_max = c->connections_max,
				.log_group = (uint16_t)c->log_group};
	(void)text_copy(t->name, sizeof(t->name), c->table);
	(void)text_copy(t->prefix, sizeof(t->prefix), c->prefix);
	memcpy(t->pool_v4, c->pool_v4, sizeof(t->pool_v4));
	memcpy(t->pool_v6, c->pool_v6, sizeof(t->pool_v6));
	_Static_assert(sizeof(t->resolvers) == sizeof(c->resolvers), "all fit");
	memcpy(t->resolvers, c->resolvers, sizeof(t->resolvers));
	t->resolver_count = c->resolver_count;
	t->dns_port = NET_PORT_DNS;
	address_v4(net, NET_RANGE_DNS, t->dns_v4);
	address_v4(net, HOST_NUMBER, t->host_v4);
}

/* A group has one hearer. A table that is adopted names its group, so no other group is tried. */
static int hear(struct net *net)
{
	uint32_t tries = net->config.adopt ? 1 : GROUPS_TRIED;
	int r = -EBUSY;

	for (uint32_t i = 0; r == -EBUSY && i < tries; i++, net->table.log_group++)
		r = net_refusals_hear(net->refusals.fd, net->table.log_group);
	net->table.log_group--;
	return r;
}

/* Whether a link whose name begins with the prefix is one of ours: four hexadecimal digits follow,
 * or the trial's letters. A prefix may be too short and match the links of others. */
static bool is_ours(const struct net *net, const char *name)
{
	const char *rest = name + strlen(net->config.prefix);

	return strcmp(rest, "ttt") == 0 ||
	       (strlen(rest) == 4 && strspn(rest, "0123456789abcdef") == 4);
}

/* Notes it: the socket is busy with the listing. Places of ranges serve, for nobody has one now. */
static void doom_link(void *self, const char *name, uint32_t index)
{
	struct net *net = self;

	if (is_ours(net, name) && net->doomed < NET_RANGES)
		net->interface[net->doomed++] = index;
}

static int remove_links(struct net *net)
{
	int r;

	net->doomed = 0;
	r = net_wires(net->host_fd, net->config.prefix, doom_link, net);
	must(net->doomed <= NET_RANGES);
	for (uint32_t i = 0; i < net->doomed; i++)
		(void)net_wire_remove(net->host_fd, net->interface[i]);
	memset(net->interface, 0, sizeof(net->interface));
	return r;
}

static void adopt_link(void *self, const char *name, uint32_t index)
{
	struct net *net = self;
	const char *digits = name + strlen(net->config.prefix);
	unsigned int range;

	if (sscanf(digits, "%4x", &range) == 1 && range < NET_RANGES)
		net->interface[range] = index;
}

/* Tries to make a table and a wire, and removes both. The table makes the kernel look at all
 * packets of the host and track its connections, so it is there only while a sandbox needs it. */
static int try(struct net *net, uint32_t *step)
{
	int r = net_table_make(net->table_fd, &net->table);

	*step = NET_STEP_TABLE;
	if (r == 0)
		r = net_table_remove(net->table_fd, net->table.name);
	if (r < 0)
		return r;
	*step = NET_STEP_LINK;
	return net_wire_try(net->host_fd, net->config.prefix);
}

/* The leftovers of another ebb-net go first, wires before the table. */
static int set_up(struct net *net, uint32_t *step)
{
	int r;

	must(net->control.phase == PHASE_NEW && !net->made);
	*step = NET_STEP_TABLE;
	if (net->table_fd < 0 || net->refusals.fd < 0)
		return -EPROTONOSUPPORT;
	net->made = net->config.adopt && net_table_is(net->table_fd, net->table.name) == 1;
	r = net->made ? net_wires(net->host_fd, net->config.prefix, adopt_link, net)
		      : remove_links(net);
	if (r == 0)
		r = hear(net);
	if (r == 0)
		r = loop_watch(net->loop, &net->refusals, EPOLLIN);
	return r == 0 && !net->made ? try(net, step) : r;
}

static int on_config(void *self, struct wire_message *m)
{
	struct net *net = self;
	struct wire_net_ready ready = {0};

	net->config = *(const struct wire_net_config *)(const void *)m->record;
	if (!text_terminated(net->config.prefix, sizeof(net->config.prefix)) ||
	    !text_terminated(net->config.table, sizeof(net->config.table)) ||
	    net->config.resolver_count > RESOLVERS_MAX)
		return -EPROTO;
	describe_table(net);
	ready.err = -set_up(net, &ready.step);
	ready.log_group = net->table.log_group;
	net->control.phase = PHASE_SERVING;
	return wire_link_send(&net->control, WIRE_NET_READY, &ready, sizeof(ready), NULL, 0);
}

/* ---- sandboxes ---- */

static int make_table(struct net *net)
{
	uint32_t tracked = TRACKED_LEAST;

	net->table.connections_all = net->config.connections_all;
	if (net->table.connections_all == 0) {
		(void)net_tracked_max(net->table_fd, &tracked); /* no module tells: the least */
		net->table.connections_all = tracked / 2;
	}
	return net_table_make(net->table_fd, &net->table);
}

static int arm(struct net *net, uint32_t range, int net_ns_fd, int inside_fd, enum net_step *step)
{
	struct net_wire wire;
	uint32_t interface;
	int r;

	describe_wire(net, range, &wire);
	*step = NET_STEP_TABLE;
	r = net->made ? 0 : make_table(net);
	net->made = r == 0;
	*step = r == 0 ? NET_STEP_FORWARDING : NET_STEP_TABLE;
	if (r == 0)
		r = forward_defaults(net);
	for (uint32_t i = 0; r == 0 && i < net->table.resolver_count; i++)
		r = forward_to(net, net->table.resolvers[i]);
	if (r == 0)
		r = net_wire_make(net->host_fd, inside_fd, net_ns_fd, &wire, &interface, step);
	if (r < 0)
		return r;
	must(interface > 0); /* 0 stands for "none" in the list */
	*step = NET_STEP_TABLE;
	r = net_table_address(net->table_fd, net->table.name, true, interface, wire.v4,
			      wire.has_v6 ? wire.v6 : NULL);
	if (r == 0 && range == NET_RANGE_DNS)
		r = net_table_forwards(net->table_fd, net->table.name, true, interface);
	if (r < 0)
		(void)net_wire_remove(net->host_fd, interface);
	else
		net->interface[range] = interface;
	return r;
}

static int on_arm(void *self, struct wire_message *m)
{
	struct net *net = self;
	const struct wire_net_arm *a = (const void *)m->record;
	struct wire_net_armed armed = {.range = a->range};
	enum net_step step = NET_STEP_COUNT;

	if (a->range >= NET_RANGES)
		return -EPROTO;
	armed.err = -arm(net, a->range, m->fds[0], m->fds[1], &step);
	armed.step = step;
	return wire_link_send(&net->control, WIRE_NET_ARMED, &armed, sizeof(armed), NULL, 0);
}

static void copy_subnets(struct net_subnet *to, const struct wire_subnet *from, uint32_t number)
{
	for (uint32_t i = 0; i < number; i++) {
		to[i] = (struct net_subnet){.bits = from[i].bits,
					    .port_first = from[i].port_first,
					    .port_last = from[i].port_last};
		memcpy(to[i].address, from[i].address, sizeof(to[i].address));
	}
}

/* ebbd has checked the record; only the bounds of its lists are checked again. */
static int policy_of(const struct wire_egress *e, struct net_policy *out)
{
	_Static_assert(EGRESS_SUBNETS_MAX <= NET_SUBNETS_MAX, "all fit");
	_Static_assert(EGRESS_HOST_PORTS_MAX <= NET_HOST_PORTS_MAX, "all fit");

	_Static_assert(RESOLVERS_MAX <= NET_RESOLVERS_MAX, "all fit");

	if (e->mode >= WIRE_EGRESS_COUNT || e->allow_count > EGRESS_SUBNETS_MAX ||
	    e->deny_count > EGRESS_SUBNETS_MAX || e->host_port_count > EGRESS_HOST_PORTS_MAX)
		return -EPROTO;
	*out = (struct net_policy){.internet = e->mode == WIRE_EGRESS_INTERNET,
				   .asks = e->mode == WIRE_EGRESS_INTERNET || e->name_count > 0,
				   .allow_count = e->allow_count,
				   .deny_count = e->deny_count,
				   .host_port_count = e->host_port_count};
	copy_subnets(out->allow, e->allow, e->allow_count);
	copy_subnets(out->deny, e->deny, e->deny_count);
	memcpy(out->host_ports, e->host_ports, sizeof(e->host_ports));
	return 0;
}

static int assign(struct net *net, uint32_t interface, const struct net_policy *policy)
{
	int r = interface ? net_table_policy(net->table_fd, net->table.name, true, interface,
					     policy)
			  : -ENODEV;

	for (uint32_t i = 0; r == 0 && i < policy->allow_count; i++)
		if (policy->allow[i].bits > MAPPED_BITS && ip_is_v4(policy->allow[i].address))
			r = forward_to(net, policy->allow[i].address + 12);
	return r;
}

static int on_assign(void *self, struct wire_message *m)
{
	struct net *net = self;
	const struct wire_net_assign *a = (const void *)m->record;
	struct wire_net_assigned assigned = {
		.slot = a->slot, .generation = a->generation, .step = NET_STEP_TABLE};
	struct net_policy policy;

	if (a->range >= NET_RANGES || policy_of(&a->egress, &policy) < 0)
		return -EPROTO;
	assigned.err = -assign(net, net->interface[a->range], &policy);
	return wire_link_send(&net->control, WIRE_NET_ASSIGNED, &assigned, sizeof(assigned), NULL,
			      0);
}

/* ---- addresses of names ---- */

/* Time for the answer to arrive and for the program to connect; then its TTL is over there, too. */
#define GRACE_S 5

/* ebb-dns has looked at the addresses. It may be hijacked, so they are looked at again: public
 * ones, which the rules let pass only behind what they always refuse. */
static bool may_open(const struct net *net, const struct wire_net_open *o)
{
	if (o->range >= NET_RANGES || o->range == NET_RANGE_DNS || o->count > NET_OPEN_MAX ||
	    o->ttl_s == 0 || o->ttl_s > NET_OPEN_TTL_S || o->port > UINT16_MAX ||
	    !net->interface[o->range])
		return false;
	for (uint32_t i = 0; i < o->count; i++)
		if (!net_is_public(o->addresses[i]))
			return false;
	return true;
}

static int open_addresses(struct net *net, const struct wire_net_open *o)
{
	struct openings **openings = &net->openings[o->range];
	uint64_t now_ns = loop_now_ns(net->loop);
	uint32_t for_s = o->ttl_s + GRACE_S;
	int r = 0;

	if (!*openings)
		*openings = calloc(1, sizeof(**openings));
	if (!*openings)
		return -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < o->count; i++) {
		r = openings_note(*openings, o->addresses[i], (uint16_t)o->port,
				  now_ns + for_s * NS_PER_SEC, now_ns);
		if (r == 0)
			r = net_table_open(net->table_fd, net->table.name, net->interface[o->range],
					   o->addresses[i], (uint16_t)o->port, for_s);
		if (r == 0 && ip_is_v4(o->addresses[i]))
			r = forward_to(net, o->addresses[i] + 12);
	}
	return r;
}

static int on_open(void *self, struct wire_message *m)
{
	struct net *net = self;
	const struct wire_net_open *o = (const void *)m->record;
	struct wire_net_opened opened = {.cookie = o->cookie};

	opened.err = may_open(net, o) ? -open_addresses(net, o) : EACCES;
	return wire_link_send(&net->control, WIRE_NET_OPENED, &opened, sizeof(opened), NULL, 0);
}

/* Behind its wire: nobody uses them. The kernel may have closed some already. */
static void close_addresses(struct net *net, uint32_t range, uint32_t interface)
{
	struct openings *o = net->openings[range];

	for (uint32_t i = 0; o && i < o->count; i++)
		(void)net_table_open(net->table_fd, net->table.name, interface, o->list[i].address,
				     o->list[i].port, 0);
	free(o);
	net->openings[range] = NULL;
}

/* ---- the end of a wire ---- */

/* The wire first: from then on nothing can be sent. */
static void drop(struct net *net, uint32_t range, const struct net_policy *policy)
{
	uint32_t interface = net->interface[range];
	struct net_wire wire;
	int r;

	must(interface > 0);
	describe_wire(net, range, &wire);
	net->interface[range] = 0;
	(void)net_wire_remove(net->host_fd, interface);
	close_addresses(net, range, interface);
	net_table_forget(net->table_fd, net->table.name, interface);
	if (range == NET_RANGE_DNS)
		(void)net_table_forwards(net->table_fd, net->table.name, false, interface);
	if (policy)
		(void)net_table_policy(net->table_fd, net->table.name, false, interface, policy);
	r = net_table_address(net->table_fd, net->table.name, false, interface, wire.v4, wire.v6);
	if (r < 0) /* it was made while the host did not forward IPv6 */
		(void)net_table_address(net->table_fd, net->table.name, false, interface, wire.v4,
					NULL);
}

static int on_drop(void *self, struct wire_message *m)
{
	struct net *net = self;
	const struct wire_net_drop *d = (const void *)m->record;
	struct net_policy policy;

	if (d->range >= NET_RANGES || policy_of(&d->egress, &policy) < 0)
		return -EPROTO;
	if (net->interface[d->range])
		drop(net, d->range, d->egress.mode == WIRE_EGRESS_NONE ? NULL : &policy);
	return 0;
}

/* ---- refusals ---- */

static void on_refusal(void *self, const struct net_refusal *refusal)
{
	struct net *net = self;
	struct wire_net_refused refused = {
		.reason = refusal->reason, .protocol = refusal->protocol, .port = refusal->port};

	while (refused.range < NET_RANGES && net->interface[refused.range] != refusal->interface)
		refused.range++;
	if (refused.range == NET_RANGES)
		return;
	memcpy(refused.address, refusal->address, sizeof(refused.address));
	if (told_first(&net->told, &refused, loop_now_ns(net->loop)))
		(void)wire_link_send(&net->control, WIRE_NET_REFUSED, &refused, sizeof(refused),
				     NULL, 0);
}

/* Many connections of the host begin, so many are over (netns/bounds.c). */
static void on_crowd(void *self)
{
	struct net *net = self;

	log_debug("event=swept err=%d", -net_tracked_sweep(net->table_fd));
}

static void on_readable(struct watch *w, uint32_t events)
{
	struct net *net = container_of(w, struct net, refusals);
	const struct net_hearer hearer = {on_refusal, on_crowd, net};

	(void)net_refusals_read(w->fd, &hearer); /* -ENOBUFS: some were lost, and counted */
}

/* ---- life cycle ---- */

static const struct wire_rule rules[] = {
	{WIRE_NET_CONFIG, sizeof(struct wire_net_config), PHASE_NEW, 0, 0, on_config},
	{WIRE_NET_ARM, sizeof(struct wire_net_arm), PHASE_SERVING, 2, 2, on_arm},
	{WIRE_NET_ASSIGN, sizeof(struct wire_net_assign), PHASE_SERVING, 0, 0, on_assign},
	{WIRE_NET_OPEN, sizeof(struct wire_net_open), PHASE_SERVING, 0, 0, on_open},
	{WIRE_NET_DROP, sizeof(struct wire_net_drop), PHASE_SERVING, 0, 0, on_drop},
};

static void on_lost(struct wire_link *link, int err)
{
	struct net *net = link->self;

	loop_stop(net->loop, err);
}

int net_run(struct net *net)
{
	int r = loop_run(net->loop);

	if (net->control.phase == PHASE_SERVING && net->table_fd >= 0) {
		int left = remove_links(net),
		    kept = net_table_remove(net->table_fd, net->table.name);

		forward_no_more(net);
		if (left < 0 || kept < 0)
			log_warn("event=network_left wires=%d table=%d", left, kept);
	}
	return r;
}

static int netlink_socket(int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

	return fd < 0 ? -errno : fd;
}

/* A kernel without nf_tables may have no sockets of NETLINK_NETFILTER. That ends nothing here: the
 * answer to the first record says so (set_up). */
static int open_sockets(struct net *net)
{
	net->host_fd = netlink_socket(NETLINK_ROUTE);
	net->table_fd = fcntl(NET_TABLE_FD, F_GETFD) < 0 ? -errno : NET_TABLE_FD;
	if (net->table_fd >= 0)
		nl_forget(net->table_fd);
	net->refusals = (struct watch){.fd = netlink_socket(NETLINK_NETFILTER),
				       .on_ready = on_readable,
				       .name = "net on_readable"};
	return net->host_fd < 0 ? net->host_fd : 0;
}

int net_new(int control_fd, struct net **out)
{
	struct net *net = calloc(1, sizeof(*net));
	int r;

	if (!net)
		return -ENOMEM;
	net->host_fd = net->table_fd = net->refusals.fd = -1;
	net->control = (struct wire_link){.name = "ebbd",
					  .rules = rules,
					  .rule_count = ARRAY_LEN(rules),
					  .phase = PHASE_NEW,
					  .self = net,
					  .lost = on_lost,
					  .ends_on_failure = true};
	r = loop_new(&net->loop);
	if (r == 0)
		r = open_sockets(net);
	if (r == 0)
		r = wire_link_open(&net->control, net->loop, control_fd);
	if (r < 0) {
		net_free(net);
		return r;
	}
	*out = net;
	return 0;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	wire_link_close(&net->control);
	fd_close(&net->host_fd);
	fd_close(&net->table_fd);
	fd_close(&net->refusals.fd);
	for (uint32_t i = 0; i < NET_RANGES; i++)
		free(net->openings[i]);
	loop_free(net->loop);
	free(net);
}
