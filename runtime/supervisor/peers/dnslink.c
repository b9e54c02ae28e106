// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/dnslink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "netns/netns.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/scale/wires.h"

struct dnslink {
	struct fleet *fleet;
	const struct pool *pool;
	struct dnslink_net net;
	struct daemon daemon;
	int home_ns_fd;
	bool wanted, asked, wired; /* a sandbox has a wire; ebb-dns asked for one, and has it */
};

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

#define X(name, words) [DNS_REFUSAL_##name] = words,
static const char *const refusal_words[DNS_REFUSAL_COUNT] = {DNS_REFUSALS(X)};
#undef X

/* ---- its wire ---- */

static int open_namespace(const struct dnslink *l)
{
	char path[64];
	int fd;

	(void)text_format(path, sizeof(path), "/proc/%d/ns/net", l->daemon.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int ask_for_wire(struct dnslink *l)
{
	static const struct wire_net_drop before = {.range = NET_RANGE_DNS};
	SCOPED_FD net_ns_fd = open_namespace(l), inside_fd = -1;

	if (net_ns_fd < 0)
		return net_ns_fd;
	inside_fd = netns_route_socket(net_ns_fd, l->home_ns_fd);
	if (inside_fd < 0)
		return inside_fd;
	l->net.drop(l->net.self, &before); /* of an ebb-dns that died */
	return l->net.arm(l->net.self, NET_RANGE_DNS, net_ns_fd, inside_fd);
}

void dnslink_wire(struct dnslink *l)
{
	int r;

	if (!l)
		return;
	l->wanted = true;
	if (l->pool->resolver_count == 0 || l->asked || l->wired || !daemon_runs(&l->daemon))
		return;
	r = ask_for_wire(l);
	l->asked = r == 0;
	if (r < 0 && r != -EHOSTDOWN)
		log_warn("event=no_names cause=\"%s\"", strerror(-r));
}

void dnslink_wired(struct dnslink *l, int err, const char *why)
{
	if (!l)
		return;
	l->asked = false;
	l->wired = err == 0;
	if (err)
		log_warn("event=no_names cause=\"%s\"", why);
}

/* Its wire stays, and a new ebb-net finds it. */
void dnslink_net_lost(struct dnslink *l)
{
	if (l)
		l->asked = false;
}

void dnslink_net_back(struct dnslink *l)
{
	if (l && l->wanted)
		dnslink_wire(l);
}

/* ---- instances ---- */

/* Whether an instance with this policy may ask. */
static bool answers(const struct dnslink *l, const struct wire_egress *e)
{
	return l && l->pool->resolver_count > 0 &&
	       (e->mode == WIRE_EGRESS_INTERNET || e->name_count > 0);
}

static void tell(void *self, const struct wire_net_assign *a)
{
	struct dnslink *l = self;
	const struct wire_dns_assign record = {
		.range = a->range, .generation = a->generation, .egress = a->egress};

	if (answers(l, &a->egress) && daemon_talks(&l->daemon))
		daemon_send(&l->daemon, WIRE_DNS_ASSIGN, &record, sizeof(record), NULL, 0);
}

static void want(void *self, const struct wire_net_assign *a)
{
	struct dnslink *l = self;

	l->wanted = true;
	tell(l, a);
}

void dnslink_resume(struct dnslink *l)
{
	if (!l)
		return;
	fleet_each_wired(l->fleet, want, l);
	if (l->wanted)
		dnslink_wire(l);
}

void dnslink_assign(struct dnslink *l, const struct wire_net_assign *a)
{
	if (l)
		tell(l, a);
}

void dnslink_drop(struct dnslink *l, uint32_t range)
{
	const struct wire_dns_drop record = {.range = range};

	if (l && daemon_talks(&l->daemon))
		daemon_send(&l->daemon, WIRE_DNS_DROP, &record, sizeof(record), NULL, 0);
}

void dnslink_opened(struct dnslink *l, const struct wire_net_opened *opened)
{
	if (l && daemon_talks(&l->daemon))
		daemon_send(&l->daemon, WIRE_DNS_OPENED, opened, sizeof(*opened), NULL, 0);
}

/* ---- records of ebb-dns ---- */

static int on_ready(void *self, struct wire_message *m)
{
	struct dnslink *l = self;

	l->daemon.link.phase = PHASE_SERVING;
	return 0;
}

/* ebb-dns may be hijacked. Only an instance that lives, whose policy has a name with this port,
 * gets addresses, and ebb-net looks at those. */
static int on_open(void *self, struct wire_message *m)
{
	struct dnslink *l = self;
	const struct wire_net_open *o = (const void *)m->record;
	struct wire_net_opened refused = {.cookie = o->cookie, .err = EACCES};

	if (o->range >= NET_RANGES || o->count > NET_OPEN_MAX || o->port > UINT16_MAX ||
	    o->ttl_s == 0 || o->ttl_s > NET_OPEN_TTL_S)
		return -EPROTO;
	if (!fleet_names_port(l->fleet, o->range, o->generation, o->port) ||
	    l->net.open(l->net.self, o) < 0)
		dnslink_opened(l, &refused);
	return 0;
}

static int on_refused(void *self, struct wire_message *m)
{
	struct dnslink *l = self;
	const struct wire_dns_refused *r = (const void *)m->record;
	char text[400];

	if (r->reason >= DNS_REFUSAL_COUNT || !text_terminated(r->name, sizeof(r->name)) ||
	    !text_is_printable(r->name))
		return -EPROTO;
	(void)text_format(text, sizeof(text), "the name %s was refused: %s", r->name,
			  refusal_words[r->reason]);
	if (fleet_has_wired(l->fleet, r->range, r->generation))
		fleet_egress_refused(l->fleet, r->range, text);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_DNS_READY, 0, PHASE_STARTING, 0, 0, on_ready},
	{WIRE_DNS_OPEN, sizeof(struct wire_net_open), PHASE_SERVING, 0, 0, on_open},
	{WIRE_DNS_REFUSED, sizeof(struct wire_dns_refused), PHASE_SERVING, 0, 0, on_refused},
};

/* ---- the process ---- */

static void on_started(struct daemon *d)
{
	struct dnslink *l = d->self;
	struct wire_dns_config config = {.resolver_count = l->pool->resolver_count};

	memcpy(config.pool_v4, l->pool->v4, sizeof(config.pool_v4));
	d->link.phase = PHASE_STARTING;
	daemon_send(d, WIRE_DNS_CONFIG, &config, sizeof(config), NULL, 0);
	fleet_each_wired(l->fleet, tell, l);
	if (l->wanted)
		dnslink_wire(l);
}

static void on_ended(struct daemon *d)
{
	struct dnslink *l = d->self;

	l->asked = l->wired = false;
}

static const struct program program = {.file = "ebb-dns",
				       .uid = UID_DNS,
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .on_started = on_started,
				       .on_ended = on_ended};

int dnslink_new(const struct program_host *host, struct fleet *fleet, const struct pool *pool,
		const struct dnslink_net *net, struct dnslink **out, struct fault *f)
{
	struct dnslink *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->fleet = fleet;
	l->pool = pool;
	l->net = *net;
	l->daemon.self = l;
	l->home_ns_fd = netns_own();
	r = l->home_ns_fd < 0 ? fault_errno(f, l->home_ns_fd, "cannot open the network namespace")
			      : daemon_start(&l->daemon, &program, host, f);
	if (r < 0) {
		dnslink_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void dnslink_free(struct dnslink *l)
{
	if (!l)
		return;
	daemon_kill(&l->daemon);
	fd_close(&l->home_ns_fd);
	free(l);
}
