// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/wire.h"

#include <errno.h>
#include <string.h>

#include "netns/netns.h"
#include "runtime/base/fd.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/instance.h"

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

int wire_ask(struct instance *i)
{
	const struct network *network = &i->ground->network;
	const struct wire_net_assign record = {.range = i->armed.range,
					       .slot = i->slot,
					       .generation = i->generation,
					       .egress = i->spec->put.egress};
	int r = network->assign ? network->assign(network->self, &record) : -EHOSTDOWN;

	i->wire_asked = r == 0;
	if (r < 0)
		(void)text_format(i->fault, sizeof(i->fault), "network: %s",
				  r == -EHOSTDOWN ? "ebb-net does not run" : strerror(-r));
	return r;
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
