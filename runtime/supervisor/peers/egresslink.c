// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/egresslink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/link.h"
#include "netns/ranges.h"
#include "netns/table.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/ip.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/pool.h"
#include "runtime/supervisor/peers/dnslink.h"
#include "runtime/supervisor/scale/wires.h"

#define LOG_GROUP_FIRST 30000 /* NFLOG; ebb-net takes the next one that is free */
#define GO_MS           10000 /* removing thousands of wires takes its time */
#define ANSWER_NS       (10 * NS_PER_SEC)
#define READY_NS        (60 * NS_PER_SEC)
#define MAPPED_BITS     96

enum phase { PHASE_STARTING = 1, PHASE_SERVING = 2 };

struct egresslink {
	const struct program_host *host;
	struct fleet *fleet;
	struct daemon daemon;
	struct dnslink *dns; /* owned */
	struct pool pool;
	bool has_pool, answered, made; /* made: an ebb-net has set up the table */
	int err;                       /* of the step: why no sandbox can be wired; 0 */
	int table_fd;                  /* owns the table (netns/table.h); -1: the kernel has none */
	int ask_fd;                    /* another one, to read the table */
	uint32_t step, log_group;
	char pool_fault[FAULT_TEXT_SIZE];
	uint32_t unanswered; /* records that ebb-net answers */
	struct timer late;
};

#define X(name, words) [NET_STEP_##name] = words,
static const char *const step_words[NET_STEP_COUNT] = {NET_STEPS(X)};
#undef X

#define X(name, chain, words) [NET_REASON_##name] = words,
static const char *const reason_words[NET_REASON_COUNT] = {NET_REASONS(X)};
#undef X

/* ---- its time ---- */

/* A new one tries the kernel first, which may have to load a dozen modules. */
static uint64_t patience_ns(const struct egresslink *l)
{
	return l->daemon.link.phase == PHASE_SERVING ? ANSWER_NS : READY_NS;
}

static void expect_answer(struct egresslink *l)
{
	if (l->unanswered++ == 0)
		(void)loop_timer_at(l->host->loop, &l->late, clock_mono_ns() + patience_ns(l));
}

static void on_answer(struct egresslink *l)
{
	if (l->unanswered > 0 && --l->unanswered > 0)
		(void)loop_timer_at(l->host->loop, &l->late, clock_mono_ns() + patience_ns(l));
	else
		loop_timer_off(l->host->loop, &l->late);
}

/* Calls of ebb-net do not wait, so it hangs; instances would wait for it for ever. */
static void on_late(struct timer *t)
{
	struct egresslink *l = container_of(t, struct egresslink, late);

	log_error("event=peer_late program=ebb-net unanswered=%u", l->unanswered);
	if (daemon_runs(&l->daemon))
		(void)kill(l->daemon.pid, SIGKILL);
}

static void describe(uint32_t step, int err, char *out, size_t size)
{
	(void)text_format(out, size, "%s: %s", step < NET_STEP_COUNT ? step_words[step] : "?",
			  strerror(err));
}

/* For the next ebbd. */
static void note(struct egresslink *l)
{
	const struct egress_row row = {.pool = l->pool, .log_group = l->log_group, .made = l->made};

	estate_write(l->host->estate, ESTATE_NETWORK, 0, &row);
}

/* The socket that owns the table, which ends with it: that of the ebbd before, or a new one. -1:
 * the kernel has none. */
static int open_table(struct egresslink *l)
{
	int fd = estate_file(l->host->estate, "table");

	if (fd >= 0)
		return fd;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (fd >= 0 && estate_keep_file(l->host->estate, "table", fd) < 0)
		fd_close(&fd);
	return fd;
}

/* ---- records of ebb-net ---- */

static int on_ready(void *self, struct wire_message *m)
{
	struct egresslink *l = self;
	const struct wire_net_ready *ready = (const void *)m->record;
	char why[160];

	l->daemon.link.phase = PHASE_SERVING;
	if (l->unanswered > 0)
		(void)loop_timer_at(l->host->loop, &l->late, clock_mono_ns() + ANSWER_NS);
	l->answered = true;
	l->err = ready->err;
	l->step = ready->step;
	l->log_group = ready->log_group;
	l->made |= ready->err == 0;
	note(l);
	if (ready->err == 0) {
		dnslink_net_back(l->dns);
		return 0;
	}
	describe(ready->step, ready->err, why, sizeof(why));
	log_warn("event=no_network cause=\"%s\"", why);
	return 0;
}

static int on_armed(void *self, struct wire_message *m)
{
	struct egresslink *l = self;
	const struct wire_net_armed *armed = (const void *)m->record;
	char why[160];

	on_answer(l);
	describe(armed->step, armed->err, why, sizeof(why));
	if (armed->range == NET_RANGE_DNS)
		dnslink_wired(l->dns, armed->err, why);
	else
		fleet_wired(l->fleet, armed->range, armed->err ? -EIO : 0, why);
	return 0;
}

static int on_assigned(void *self, struct wire_message *m)
{
	struct egresslink *l = self;
	const struct wire_net_assigned *a = (const void *)m->record;
	char why[160];

	on_answer(l);
	describe(a->step, a->err, why, sizeof(why));
	fleet_assigned(l->fleet, a->slot, a->generation, a->err ? -EIO : 0, why);
	return 0;
}

static int on_opened(void *self, struct wire_message *m)
{
	struct egresslink *l = self;

	on_answer(l);
	dnslink_opened(l->dns, (const void *)m->record);
	return 0;
}

static const char *protocol_name(uint32_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "ip";
}

static void format_target(const struct wire_net_refused *r, char *out, size_t size)
{
	char host[IP_TEXT_SIZE], port[8] = "";
	bool v4 = ip_format(r->address, host);

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
	{WIRE_NET_OPENED, sizeof(struct wire_net_opened), PHASE_SERVING, 0, 0, on_opened},
	{WIRE_NET_REFUSED, sizeof(struct wire_net_refused), PHASE_SERVING, 0, 0, on_refused},
};

/* ---- records to ebb-net ---- */

static int send_arm(void *self, uint32_t range, int net_ns_fd, int inside_fd)
{
	struct egresslink *l = self;
	const struct wire_net_arm record = {.range = range};
	const int fds[] = {net_ns_fd, inside_fd};

	if (!daemon_talks(&l->daemon))
		return -EHOSTDOWN;
	daemon_send(&l->daemon, WIRE_NET_ARM, &record, sizeof(record), fds, ARRAY_LEN(fds));
	expect_answer(l);
	return 0;
}

static int net_arm(void *self, uint32_t range, int net_ns_fd, int inside_fd)
{
	struct egresslink *l = self;

	dnslink_wire(l->dns);
	return send_arm(l, range, net_ns_fd, inside_fd);
}

/* ebb-dns hears of the instance before its program can ask. */
static int net_assign(void *self, const struct wire_net_assign *record)
{
	struct egresslink *l = self;

	if (!daemon_talks(&l->daemon))
		return -EHOSTDOWN;
	dnslink_assign(l->dns, record);
	daemon_send(&l->daemon, WIRE_NET_ASSIGN, record, sizeof(*record), NULL, 0);
	expect_answer(l);
	return 0;
}

static void send_drop(void *self, const struct wire_net_drop *record)
{
	struct egresslink *l = self;

	if (daemon_talks(&l->daemon))
		daemon_send(&l->daemon, WIRE_NET_DROP, record, sizeof(*record), NULL, 0);
}

static void net_drop(void *self, const struct wire_net_drop *record)
{
	struct egresslink *l = self;

	dnslink_drop(l->dns, record->range);
	send_drop(l, record);
}

/* ---- facts about a wire ---- */

static int net_interface(void *self, uint32_t range, uint32_t *out)
{
	struct egresslink *l = self;
	char name[IFNAMSIZ];

	must(range < NET_RANGES);
	if (text_format(name, sizeof(name), "%s%04x", l->pool.prefix, range) < 0)
		return -EINVAL;
	*out = if_nametoindex(name);
	return *out ? 0 : -errno;
}

/* Over a socket of its own: ebb-net reads its answers on that of the table. */
static int net_connections(void *self, uint32_t interface, uint64_t *out)
{
	struct egresslink *l = self;

	return net_table_connections(l->ask_fd, l->pool.table, interface, out);
}

static void net_address(void *self, uint32_t range, uint8_t v4[4], uint8_t v6[16])
{
	struct egresslink *l = self;

	net_range_address(l->pool.v4, 4, range, v4);
	net_range_address(l->pool.v6, 16, range, v6);
}

static int send_open(void *self, const struct wire_net_open *record)
{
	struct egresslink *l = self;

	if (!daemon_talks(&l->daemon))
		return -EHOSTDOWN;
	daemon_send(&l->daemon, WIRE_NET_OPEN, record, sizeof(*record), NULL, 0);
	expect_answer(l);
	return 0;
}

/* ---- the process ---- */

static void on_started(struct daemon *d)
{
	struct egresslink *l = d->self;
	struct wire_net_config config = {
		.adopt = l->made,
		.connections_max = (uint32_t)l->host->config->egress_connections,
		.connections_all = (uint32_t)l->host->config->egress_connections_all,
		.log_group = l->log_group,
	};

	memcpy(config.pool_v4, l->pool.v4, sizeof(config.pool_v4));
	memcpy(config.pool_v6, l->pool.v6, sizeof(config.pool_v6));
	memcpy(config.resolvers, l->pool.resolvers, sizeof(config.resolvers));
	config.resolver_count = l->pool.resolver_count;
	(void)text_copy(config.prefix, sizeof(config.prefix), l->pool.prefix);
	(void)text_copy(config.table, sizeof(config.table), l->pool.table);
	d->link.phase = PHASE_STARTING;
	daemon_send(d, WIRE_NET_CONFIG, &config, sizeof(config), NULL, 0);
}

/* The same socket for each ebb-net: only its owner can change the table. */
static int give_table(struct daemon *d, int *extra_fd)
{
	struct egresslink *l = d->self;
	int fd = l->table_fd < 0 ? -1 : fcntl(l->table_fd, F_DUPFD_CLOEXEC, 0);

	if (l->table_fd >= 0 && fd < 0)
		return -errno;
	*extra_fd = fd;
	return 0;
}

static void on_ended(struct daemon *d)
{
	struct egresslink *l = d->self;

	l->unanswered = 0;
	loop_timer_off(l->host->loop, &l->late);
	fleet_unwirable(l->fleet, "ebb-net ended");
	dnslink_net_lost(l->dns);
}

static const struct program program = {.file = "ebb-net",
				       .uid = UID_NET,
				       .rules_network = true,
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .prepare = give_table,
				       .on_started = on_started,
				       .on_ended = on_ended};

static bool is_on(const struct egresslink *l)
{
	return strcmp(l->host->config->egress, "on") == 0;
}

/* Somebody else has addresses of this pool: answers would go there. */
static int check_pool(const struct pool *p, struct fault *f)
{
	SCOPED_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	uint8_t to[4];

	if (fd < 0 || net_route_within(fd, p->v4, POOL_BITS, to) != 1)
		return 0;
	(void)fault_say(f, -EADDRINUSE,
			"the addresses for instances (%u.%u.%u.%u/%u) are in use: this host has a "
			"route to %u.%u.%u.%u; " NET_MEND_POOL,
			p->v4[0], p->v4[1], p->v4[2], p->v4[3], POOL_BITS, to[0], to[1], to[2],
			to[3]);
	return -EADDRINUSE;
}

/* The addresses of the ebbd before. False: there are none. */
static bool inherit_pool(struct egresslink *l)
{
	const struct egress_row *row = estate_read(l->host->estate, ESTATE_NETWORK, 0);
	int held_fd = estate_file(l->host->estate, "pool");

	if (!row || held_fd < 0)
		return false;
	l->pool = row->pool;
	l->pool.held_fd = held_fd;
	l->log_group = row->log_group;
	l->made = row->made;
	return true;
}

/* 0, or -errno with the sentence that refuses deployments. */
static int take_pool(struct egresslink *l, struct fault *f)
{
	int r;

	if (inherit_pool(l))
		return 0;
	r = pool_open(l->host->config, &l->pool, f);
	if (r == 0)
		r = check_pool(&l->pool, f);
	if (r == 0)
		r = estate_keep_file(l->host->estate, "pool", l->pool.held_fd);
	if (r == 0)
		note(l);
	return r;
}

/* Without it the network works, and data wait for the next thaw. */
static void watch_network(struct egresslink *l)
{
	const char *step = "";
	int r = fleet_watch_network(l->fleet, l->pool.v4, l->pool.v6, &step);

	if (r < 0)
		log_warn("event=no_wake step=\"%s\" error=\"%s\"", step, strerror(-r));
}

static int start(struct egresslink *l, struct fault *f)
{
	struct network network = {
		.self = l,
		.arm = net_arm,
		.assign = net_assign,
		.drop = net_drop,
		.interface = net_interface,
		.connections = net_connections,
		.address = net_address,
	};
	const struct dnslink_net net = {
		.self = l, .arm = send_arm, .open = send_open, .drop = send_drop};
	struct fault pool_fault = {0};
	int r;
	char text[FAULT_TEXT_SIZE];

	if (!is_on(l))
		return 0;
	if (take_pool(l, &pool_fault) < 0) {
		(void)text_copy(l->pool_fault, sizeof(l->pool_fault),
				fault_text(&pool_fault, text));
		log_warn("event=no_network cause=\"%s\"", l->pool_fault);
		return 0;
	}
	l->has_pool = true;
	l->table_fd = open_table(l);
	l->ask_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	(void)text_format(network.hosts, sizeof(network.hosts), "%u.%u.%u.%u\thost.internal\n",
			  l->pool.v4[0], l->pool.v4[1], l->pool.v4[2], l->pool.v4[3] + 1);
	if (l->pool.resolver_count > 0)
		(void)text_format(network.resolver, sizeof(network.resolver),
				  "nameserver %u.%u.%u.%u\n", l->pool.v4[0], l->pool.v4[1],
				  l->pool.v4[2], l->pool.v4[3] + 1);
	fleet_attach_network(l->fleet, &network);
	watch_network(l);
	r = daemon_start(&l->daemon, &program, l->host, f);
	if (r == 0)
		r = dnslink_new(l->host, l->fleet, &l->pool, &net, &l->dns, f);
	return r;
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
	l->pool.held_fd = l->table_fd = l->ask_fd = -1;
	l->log_group = LOG_GROUP_FIRST;
	l->daemon.self = l;
	l->late = (struct timer){.on_due = on_late, .name = "egresslink on_late"};
	r = start(l, f);
	if (r < 0) {
		egresslink_free(l);
		return r;
	}
	*out = l;
	return 0;
}

void egresslink_resume(struct egresslink *l)
{
	dnslink_resume(l->dns);
}

void egresslink_free(struct egresslink *l)
{
	if (!l)
		return;
	dnslink_free(l->dns);
	l->dns = NULL;
	loop_timer_off(l->host->loop, &l->late);
	if (daemon_runs(&l->daemon)) {
		struct pollfd end = {.fd = l->daemon.pid_fd, .events = POLLIN};

		/* The end of its channel asks it to clean up and go. */
		wire_link_close(&l->daemon.link);
		while (poll(&end, 1, GO_MS) < 0 && errno == EINTR)
			;
	}
	daemon_kill(&l->daemon);
	estate_drop_file(l->host->estate, "table");
	fd_close(&l->table_fd);
	fd_close(&l->ask_fd);
	estate_drop_file(l->host->estate, "pool");
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
	return -ENETDOWN;
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
		return say(err, err_size, why, NET_MEND_MODULES ", start ebbd again");
	}
	if (egress->name_count > 0 && l->pool.resolver_count == 0)
		return say(err, err_size, NET_NO_RESOLVER, NET_MEND_RESOLVER ", start ebbd again");
	if (egress->mode == WIRE_EGRESS_INTERNET && !has_default_route())
		return say(err, err_size, step_words[NET_STEP_ROUTE], NET_MEND_ROUTE);
	return 0;
}
