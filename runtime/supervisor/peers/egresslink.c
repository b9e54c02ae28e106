// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/egresslink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/link.h"
#include "netns/ranges.h"
#include "netns/table.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/pool.h"
#include "runtime/supervisor/scale/wires.h"

#define LOG_GROUP_FIRST 30000 /* NFLOG; ebb-net takes the next one that is free */
#define GO_MS           10000 /* removing thousands of wires takes its time */
#define MAPPED_BITS     96

struct egresslink {
	const struct program_host *host;
	struct fleet *fleet;
	struct daemon daemon;
	struct pool pool;
	bool has_pool, answered, made; /* made: an ebb-net has set up the table */
	int err;                       /* of the step: why no sandbox can be wired; 0 */
	uint32_t step, log_group;
	char pool_fault[FAULT_TEXT_SIZE];
};

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

#define X(name, words) [NET_STEP_##name] = words,
static const char *const step_words[NET_STEP_COUNT] = {NET_STEPS(X)};
#undef X

#define X(name, chain, words) [NET_REASON_##name] = words,
static const char *const reason_words[NET_REASON_COUNT] = {NET_REASONS(X)};
#undef X

static void describe(uint32_t step, int err, char *out, size_t size)
{
	(void)text_format(out, size, "%s: %s", step < NET_STEP_COUNT ? step_words[step] : "?",
			  strerror(err));
}

/* ---- records of ebb-net ---- */

static int on_ready(void *self, struct wire_message *m)
{
	struct egresslink *l = self;
	const struct wire_net_ready *ready = (const void *)m->record;
	char why[160];

	l->daemon.link.phase = PHASE_SERVING;
	l->answered = true;
	l->err = ready->err;
	l->step = ready->step;
	l->log_group = ready->log_group;
	l->made |= ready->err == 0;
	if (ready->err == 0)
		return 0;
	describe(ready->step, ready->err, why, sizeof(why));
	log_warn("event=no_network cause=\"%s\"", why);
	return 0;
}

static int on_armed(void *self, struct wire_message *m)
{
	struct egresslink *l = self;
	const struct wire_net_armed *armed = (const void *)m->record;
	char why[160];

	describe(armed->step, armed->err, why, sizeof(why));
	fleet_wired(l->fleet, armed->range, armed->err ? -EIO : 0, why);
	return 0;
}

static int on_assigned(void *self, struct wire_message *m)
{
	struct egresslink *l = self;
	const struct wire_net_assigned *a = (const void *)m->record;
	char why[160];

	describe(a->step, a->err, why, sizeof(why));
	fleet_assigned(l->fleet, a->slot, a->generation, a->err ? -EIO : 0, why);
	return 0;
}

static const char *protocol_name(uint32_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "ip";
}

static void format_target(const struct wire_net_refused *r, char *out, size_t size)
{
	const struct in6_addr *v6 = (const void *)r->address;
	bool v4 = IN6_IS_ADDR_V4MAPPED(v6);
	char host[INET6_ADDRSTRLEN] = "", port[8] = "";

	inet_ntop(v4 ? AF_INET : AF_INET6, r->address + (v4 ? 12 : 0), host, sizeof(host));
	if (r->port)
		(void)text_format(port, sizeof(port), ":%u", r->port);
	(void)text_format(out, size, r->port && !v4 ? "[%s]%s" : "%s%s", host, port);
}

static int on_refused(void *self, struct wire_message *m)
{
	struct egresslink *l = self;
	const struct wire_net_refused *r = (const void *)m->record;
	const struct net_range *range;
	char target[80], text[256];

	if (r->range >= NET_RANGES || r->reason >= NET_REASON_COUNT || r->port > 65535)
		return -EPROTO;
	range = r->reason == NET_REASON_RANGE ? net_range_of(r->address, 128) : NULL;
	format_target(r, target, sizeof(target));
	(void)text_format(text, sizeof(text), "%s to %s was refused: %s%s%s%s",
			  protocol_name(r->protocol), target, reason_words[r->reason],
			  range ? " (" : "", range ? range->name : "", range ? ")" : "");
	fleet_egress_refused(l->fleet, r->range, text);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_NET_READY, sizeof(struct wire_net_ready), PHASE_STARTING, 0, 0, on_ready},
	{WIRE_NET_ARMED, sizeof(struct wire_net_armed), PHASE_SERVING, 0, 0, on_armed},
	{WIRE_NET_ASSIGNED, sizeof(struct wire_net_assigned), PHASE_SERVING, 0, 0, on_assigned},
	{WIRE_NET_REFUSED, sizeof(struct wire_net_refused), PHASE_SERVING, 0, 0, on_refused},
};

/* ---- records to ebb-net ---- */

static int net_arm(void *self, uint32_t range, int net_ns_fd, int inside_fd)
{
	struct egresslink *l = self;
	const struct wire_net_arm record = {.range = range};
	const int fds[] = {net_ns_fd, inside_fd};

	if (!daemon_talks(&l->daemon))
		return -EHOSTDOWN;
	daemon_send(&l->daemon, WIRE_NET_ARM, &record, sizeof(record), fds, ARRAY_LEN(fds));
	return 0;
}

static int net_assign(void *self, const struct wire_net_assign *record)
{
	struct egresslink *l = self;

	if (!daemon_talks(&l->daemon))
		return -EHOSTDOWN;
	daemon_send(&l->daemon, WIRE_NET_ASSIGN, record, sizeof(*record), NULL, 0);
	return 0;
}

static void net_drop(void *self, const struct wire_net_drop *record)
{
	struct egresslink *l = self;

	if (daemon_talks(&l->daemon))
		daemon_send(&l->daemon, WIRE_NET_DROP, record, sizeof(*record), NULL, 0);
}

/* ---- the process ---- */

static void on_started(struct daemon *d)
{
	struct egresslink *l = d->self;
	struct wire_net_config config = {
		.adopt = l->made,
		.connections_max = (uint32_t)l->host->config->egress_connections,
		.log_group = l->log_group,
	};

	memcpy(config.pool_v4, l->pool.v4, sizeof(config.pool_v4));
	memcpy(config.pool_v6, l->pool.v6, sizeof(config.pool_v6));
	memcpy(config.resolver, l->pool.resolver, sizeof(config.resolver));
	(void)text_copy(config.prefix, sizeof(config.prefix), l->pool.prefix);
	(void)text_copy(config.table, sizeof(config.table), l->pool.table);
	d->link.phase = PHASE_STARTING;
	daemon_send(d, WIRE_NET_CONFIG, &config, sizeof(config), NULL, 0);
}

static void on_ended(struct daemon *d)
{
	struct egresslink *l = d->self;

	fleet_unwirable(l->fleet, "ebb-net ended");
}

static const struct program program = {.file = "ebb-net",
				       .uid = UID_NET,
				       .rules_network = true,
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .on_started = on_started,
				       .on_ended = on_ended};

static bool is_on(const struct egresslink *l)
{
	return strcmp(l->host->config->egress, "on") == 0;
}

static int start(struct egresslink *l, struct fault *f)
{
	struct network network = {
		.self = l, .arm = net_arm, .assign = net_assign, .drop = net_drop};
	struct fault pool_fault = {0};
	char text[FAULT_TEXT_SIZE];

	if (!is_on(l))
		return 0;
	if (pool_open(l->host->config, &l->pool, &pool_fault) < 0) {
		(void)text_copy(l->pool_fault, sizeof(l->pool_fault),
				fault_text(&pool_fault, text));
		log_warn("event=no_network cause=\"%s\"", l->pool_fault);
		return 0;
	}
	l->has_pool = true;
	(void)text_format(network.hosts, sizeof(network.hosts), "%u.%u.%u.%u\thost.internal\n",
			  l->pool.v4[0], l->pool.v4[1], l->pool.v4[2], l->pool.v4[3] + 1);
	if (l->pool.resolver[0])
		(void)text_format(network.resolver, sizeof(network.resolver),
				  "nameserver %u.%u.%u.%u\n", l->pool.v4[0], l->pool.v4[1],
				  l->pool.v4[2], l->pool.v4[3] + 1);
	fleet_attach_network(l->fleet, &network);
	return daemon_start(&l->daemon, &program, l->host, f);
}

int egresslink_new(const struct program_host *host, struct fleet *fleet, struct egresslink **out,
		   struct fault *f)
{
	struct egresslink *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->host = host;
	l->fleet = fleet;
	l->pool.held_fd = -1;
	l->log_group = LOG_GROUP_FIRST;
	l->daemon.self = l;
	r = start(l, f);
	if (r < 0) {
		egresslink_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void egresslink_free(struct egresslink *l)
{
	if (!l)
		return;
	if (daemon_runs(&l->daemon)) {
		struct pollfd end = {.fd = l->daemon.pid_fd, .events = POLLIN};

		/* The end of its channel asks it to clean up and go. */
		wire_link_close(&l->daemon.link);
		while (poll(&end, 1, GO_MS) < 0 && errno == EINTR)
			;
	}
	daemon_kill(&l->daemon);
	pool_close(&l->pool);
	free(l);
}

/* ---- whether it can ---- */

static bool has_default_route(void)
{
	SCOPED_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 || net_default_links(fd, AF_INET, NULL, 0) != 0 ||
	       net_default_links(fd, AF_INET6, NULL, 0) != 0;
}

static int say(char *err, size_t err_size, const char *what, const char *mend)
{
	(void)text_format(err, err_size, "ebb.egress: %s; %s, or leave the key out", what, mend);
	return -EINVAL;
}

int egresslink_check(struct egresslink *l, const struct wire_egress *egress, char *err,
		     size_t err_size)
{
	char why[160];

	if (egress->mode == WIRE_EGRESS_NONE)
		return 0;
	if (!is_on(l))
		return say(err, err_size, "no instance of this host has a network (egress = off)",
			   "start ebbd with egress = on");
	if (!l->has_pool)
		return say(err, err_size, l->pool_fault, "start ebbd again");
	if (l->err) {
		describe(l->step, l->err, why, sizeof(why));
		return say(
			err, err_size, why,
			"load what is missing (modprobe -a nf_tables nft_ct nft_masq veth), start "
			"ebbd again");
	}
	if (egress->mode == WIRE_EGRESS_INTERNET && !has_default_route())
		return say(err, err_size, step_words[NET_STEP_ROUTE],
			   "give it one (ip route add default via GATEWAY)");
	return 0;
}
