// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/waking.h"

#include "netns/watch.h"
#include "runtime/base/mem.h"

_Static_assert(NET_WATCH_RANGES == NET_RANGES, "each range has a place");

bool waking_wanted(const struct instance *i)
{
	return i->ground->net_watch && instance_has_wire(i) && i->armed.pid > 0 &&
	       i->spec->put.arrivals == WIRE_ARRIVALS_WAKE;
}

void waking_begin(struct instance *i)
{
	if (waking_wanted(i))
		net_watch_begin(i->ground->net_watch, i->armed.range);
}

void waking_end(struct instance *i)
{
	if (waking_wanted(i))
		net_watch_end(i->ground->net_watch, i->armed.range);
}

bool waking_missed(const struct instance *i)
{
	return waking_wanted(i) && !net_watch_goes_on(i->ground->net_watch, i->armed.range);
}
