// SPDX-License-Identifier: Apache-2.0
/*
 * How many connections wait in an instance's accept queue. A client cannot see that: its connect
 * and even its first bytes succeed while nobody has accepted. But beyond the queue the kernel drops
 * the SYN, and the next one comes a second later. So a gateway makes no more connections than its
 * share of the queue, and asks here for more. The kernel is asked then, and once when the instance
 * is ready.
 *
 * The queue tells two things more. Requests that wait there are work for which the instance has no
 * worker: it is saturated (load.c). If they wait although the instance does nothing and wants
 * nothing, neither a CPU nor a disk, its workers wait for requests on connections that idle in the
 * gateways. A server of one connection at a time would do so until those are closed, seconds later.
 */
#include <errno.h>

#include "netns/netns.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/instance/accept.h"
#include "runtime/supervisor/look/look.h"

#define BACKLOG_UNKNOWN 128u /* the kernel does not say: most servers ask for this at least */
#define READ_AGAIN_NS   (500 * NS_PER_US)
#define STARVED_MS      10u /* so long a request must have waited before anything is concluded */
#define LOOK_LEAST_NS   (5 * NS_PER_MS)
#define AT_WORK_NS      (100 * NS_PER_MS)
#define HOLD_FIRST_MS   10000u
#define HOLD_MOST_MS    640000u

static int read_queue(struct instance *i, struct netns_queue *q)
{
	struct ground *g = i->ground;
	int r = netns_queue(i->armed.net_ns_fd, g->home_ns_fd,
			    instance_inherits(i) ? 0 : i->spec->put.exec.port, UNIX_NAME, q);

	must(r != -ENOTRECOVERABLE);
	return r == 0 ? -ENOENT : r;
}

void accept_begin(struct instance *i)
{
	struct netns_queue q = {.max = UNIX_QUEUE};

	must(i->ground->gateway_count > 0);
	i->accept.known = instance_inherits(i) || read_queue(i, &q) == 1;
	i->accept.max = i->accept.known ? q.max : BACKLOG_UNKNOWN;
}

/* Each gateway has an equal share of the queue's places. Where there are fewer places than
 * gateways, each has one all the same (the kernel lets one more in than max). */
static uint32_t share_of(const struct instance *i)
{
	uint32_t share = i->accept.max / i->ground->gateway_count;

	return share > 0 ? share : 1;
}

uint32_t accept_room(const struct instance *i)
{
	return share_of(i);
}

/* Whether the instance has done nothing since the last look although a request waited all the time,
 * which is waited_ms now. */
static bool has_idled(struct instance *i, uint64_t now_ns, uint32_t waited_ms)
{
	struct accept_queue *a = &i->accept;
	uint64_t span_ns = now_ns - a->read_ns, before_us = a->cpu_us;
	bool again = a->starving && span_ns <= waited_ms * NS_PER_MS;
	struct cgroup_cpu cpu;

	if (again && span_ns < LOOK_LEAST_NS)
		return false;
	if (cgroup_cpu(&i->cgroup, &cpu) < 0)
		return false;
	a->starving = true;
	a->read_ns = now_ns;
	a->cpu_us = cpu.usage_us;
	return again && (cpu.usage_us - before_us) * NS_PER_US < span_ns / 2;
}

/* Whether it did nothing because it gets no CPU, or waits for a disk. That takes a system call or
 * three for each thread, so the next look comes a while later. */
static bool is_at_work(struct instance *i, uint64_t now_ns)
{
	struct accept_queue *a = &i->accept;

	if (now_ns < a->at_work_until_ns)
		return true;
	if (look_at_work(&i->cgroup) == 0)
		return false;
	a->at_work_until_ns = now_ns + AT_WORK_NS;
	return true;
}

/* Whether gateways were told already. */
static bool is_held(const struct instance *i, uint64_t now_ns)
{
	return i->accept.held_until_ns > now_ns + i->accept.hold_ms * NS_PER_MS / 2;
}

/* For how many ms no connection to the instance is to be kept idle: 10 s, and twice as long each
 * time. */
static uint32_t hold(struct instance *i, uint64_t now_ns)
{
	struct accept_queue *a = &i->accept;

	a->hold_ms = a->hold_ms ? 2 * a->hold_ms : HOLD_FIRST_MS;
	if (a->hold_ms > HOLD_MOST_MS)
		a->hold_ms = HOLD_MOST_MS;
	a->held_until_ns = now_ns + a->hold_ms * NS_PER_MS;
	return a->hold_ms;
}

int accept_ask(struct instance *i, uint32_t waited_ms, struct wire_queue *out, uint32_t *drop_ms)
{
	uint64_t now_ns = clock_mono_ns();
	struct netns_queue q = {.max = i->accept.max};
	int r = i->accept.known ? read_queue(i, &q) : 0;

	*drop_ms = 0;
	if (r < 0 && r != -ENOENT)
		return r;
	if (q.length > i->accept.longest)
		i->accept.longest = q.length;
	i->accept.max = q.max;
	if (q.length == 0 || waited_ms < STARVED_MS)
		i->accept.starving = i->accept.starving && q.length > 0;
	else if (has_idled(i, now_ns, waited_ms) && !is_held(i, now_ns) && !is_at_work(i, now_ns))
		*drop_ms = hold(i, now_ns);
	out->length = q.length;
	out->share = share_of(i);
	return 0;
}

bool accept_has_ended(struct instance *i)
{
	struct netns_queue q = {0};

	return i->accept.known && read_queue(i, &q) == -ENOENT;
}

uint32_t accept_longest(struct instance *i)
{
	uint32_t longest = i->accept.longest;

	i->accept.longest = 0;
	return longest;
}
