// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/wire.h"

#include <errno.h>
#include <string.h>

#include "netns/netns.h"
#include "netns/sockets.h"
#include "netns/traffic.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/instance.h"

#define SETTLED_NS (1000 * NS_PER_MS)

int wire_sandbox(struct ground *g, uint32_t range, int net_ns_fd)
{
	SCOPED_FD inside_fd = -1;

	if (!g->network.arm)
		return -EHOSTDOWN;
	inside_fd = netns_route_socket(net_ns_fd, g->home_ns_fd);
	if (inside_fd < 0)
		return inside_fd;
	return g->network.arm(g->network.self, range, net_ns_fd, inside_fd);
}

void unwire_sandbox(struct ground *g, uint32_t range)
{
	const struct wire_net_drop record = {.range = range};

	if (g->network.drop)
		g->network.drop(g->network.self, &record);
}

struct wire_net_assign wire_assignment(const struct instance *i)
{
	return (struct wire_net_assign){.range = i->armed.range,
					.slot = i->slot,
					.generation = i->generation,
					.egress = i->spec->put.egress};
}

int wire_ask(struct instance *i)
{
	const struct network *network = &i->ground->network;
	const struct wire_net_assign record = wire_assignment(i);
	int r = network->assign ? network->assign(network->self, &record) : -EHOSTDOWN;

	i->wire_asked = r == 0;
	if (r < 0)
		(void)text_format(i->fault, sizeof(i->fault), "network: %s",
				  r == -EHOSTDOWN ? "ebb-net does not run" : strerror(-r));
	return r;
}

/* All of this can be found out again at any time, so an ebbd that takes over does. */
static int open_counters(struct instance *i)
{
	struct network *network = &i->ground->network;
	int r;

	if (i->traffic_fd >= 0)
		return 0;
	if (!network->interface || i->armed.pid <= 0)
		return -EHOSTDOWN;
	r = network->interface(network->self, i->armed.range, &i->wire_interface);
	if (r < 0)
		return r;
	r = net_traffic_open(i->armed.net_ns_fd, i->ground->home_ns_fd, &i->wire_v6);
	must(r != -ENOTRECOVERABLE);
	if (r < 0)
		return r;
	i->traffic_fd = r;
	return 0;
}

/* Bytes are counted when a packet leaves the instance, a connection when the packet has come to the
 * rules of the host: a reading may come in between. So connections are read until SETTLED_NS after
 * the last byte that was seen, and not at each freeze of an instance that sends nothing. */
static bool may_have_connected(const struct instance *i, uint64_t out_bytes)
{
	return out_bytes != i->wire_use.out_bytes ||
	       i->wire_counted_ns < i->wire_sent_ns + SETTLED_NS;
}

int wire_read(struct instance *i, struct wire_use *out)
{
	struct network *network = &i->ground->network;
	struct wire_use use = i->wire_use;
	struct net_traffic traffic;
	const uint64_t now_ns = clock_mono_ns();
	int r = open_counters(i);
	bool ask;

	must(instance_has_wire(i));
	if (r == 0)
		r = net_traffic_read(i->traffic_fd, &traffic);
	if (r < 0)
		return r;
	ask = may_have_connected(i, traffic.out_bytes);
	if (ask)
		r = network->connections(network->self, i->wire_interface, &use.connections);
	if (r < 0)
		return r;
	if (ask)
		i->wire_counted_ns = now_ns;
	if (traffic.out_bytes != use.out_bytes)
		i->wire_sent_ns = now_ns;
	use.out_bytes = traffic.out_bytes;
	use.in_bytes = traffic.in_bytes;
	i->wire_use = *out = use;
	return 0;
}

int wire_sockets(const struct instance *i)
{
	int r = i->armed.pid <= 0 ? -ESRCH
				  : net_sockets_open(i->armed.net_ns_fd, i->ground->home_ns_fd);

	must(r != -ENOTRECOVERABLE);
	return r;
}

static void count_connection(void *self, const struct net_socket *s)
{
	uint32_t *count = self;

	*count += net_socket_is_connection(s);
}

void wire_show(struct instance *i, bool counted, struct wire_instance_info *out)
{
	struct network *network = &i->ground->network;
	SCOPED_FD fd = -1;

	if (!instance_has_wire(i) || open_counters(i) < 0)
		return;
	network->address(network->self, i->armed.range, out->v4, out->v6);
	out->network = WIRE_INFO_V4 | (i->wire_v6 ? WIRE_INFO_V6 : 0);
	if (!counted)
		return;
	fd = wire_sockets(i);
	if (fd >= 0 && net_sockets_each(fd, count_connection, &out->connections) == 0)
		out->network |= WIRE_INFO_CONNECTIONS;
}

void wire_drop(struct instance *i)
{
	struct network *network = &i->ground->network;
	struct wire_net_drop record = {.range = i->armed.range};

	if (!instance_has_wire(i) || !network->drop)
		return;
	if (i->wire_asked)
		record.egress = i->spec->put.egress;
	network->drop(network->self, &record);
}
