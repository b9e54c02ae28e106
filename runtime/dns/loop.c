// SPDX-License-Identifier: Apache-2.0
#include "runtime/dns/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/dns/inside.h"

#define POOL_MASK   (NET_RANGES - 1u)
#define HOST_NUMBER 1
#define BACKLOG     128
#define BURST       64 /* datagrams, or connections, before others get their turn */

enum phase { PHASE_NEW = 1, PHASE_SERVING = 2 };

/* ---- guests ---- */

/* The guest with this address, or NULL. */
static struct guest *guest_at(struct dns *dns, const struct sockaddr_in *from)
{
	uint32_t pool, address = ntohl(from->sin_addr.s_addr);

	memcpy(&pool, dns->config.pool_v4, sizeof(pool));
	pool = ntohl(pool);
	if (from->sin_family != AF_INET || (address & ~POOL_MASK) != (pool & ~POOL_MASK))
		return NULL;
	return dns->guests[address & POOL_MASK];
}

/* ---- records ---- */

static int on_config(void *self, struct wire_message *m)
{
	struct dns *dns = self;

	dns->config = *(const struct wire_dns_config *)(const void *)m->record;
	if (dns->config.resolver_count > RESOLVERS_MAX)
		return -EPROTO;
	memcpy(dns->host_v4, dns->config.pool_v4, sizeof(dns->host_v4));
	dns->host_v4[3] = (uint8_t)(dns->host_v4[3] | HOST_NUMBER);
	dns->control.phase = PHASE_SERVING;
	return wire_link_send(&dns->control, WIRE_DNS_READY, NULL, 0, NULL, 0);
}

static void drop(struct dns *dns, uint32_t range)
{
	struct guest *g = dns->guests[range];

	if (!g)
		return;
	conn_forget(dns, g);
	ask_forget(dns, NULL, g);
	must(g->questions == 0 && g->connections == 0);
	dns->guests[range] = NULL;
	free(g);
}

static int on_assign(void *self, struct wire_message *m)
{
	struct dns *dns = self;
	const struct wire_dns_assign *a = (const void *)m->record;
	struct guest *g;

	if (a->range >= NET_RANGES || a->egress.name_count > EGRESS_NAMES_MAX ||
	    a->egress.allow_count > EGRESS_SUBNETS_MAX || a->egress.deny_count > EGRESS_SUBNETS_MAX)
		return -EPROTO;
	drop(dns, a->range);
	g = calloc(1, sizeof(*g));
	if (!g)
		return 0; /* its questions are not answered, and it asks again */
	g->range = a->range;
	g->generation = a->generation;
	g->egress = a->egress;
	dns->guests[a->range] = g;
	return 0;
}

static int on_drop(void *self, struct wire_message *m)
{
	struct dns *dns = self;
	const struct wire_dns_drop *d = (const void *)m->record;

	if (d->range >= NET_RANGES)
		return -EPROTO;
	drop(dns, d->range);
	return 0;
}

static int on_opened(void *self, struct wire_message *m)
{
	ask_opened(self, (const void *)m->record);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_DNS_CONFIG, sizeof(struct wire_dns_config), PHASE_NEW, 0, 0, on_config},
	{WIRE_DNS_ASSIGN, sizeof(struct wire_dns_assign), PHASE_SERVING, 0, 0, on_assign},
	{WIRE_DNS_DROP, sizeof(struct wire_dns_drop), PHASE_SERVING, 0, 0, on_drop},
	{WIRE_DNS_OPENED, sizeof(struct wire_net_opened), PHASE_SERVING, 0, 0, on_opened},
};

/* ---- questions ---- */

static void on_datagrams(struct watch *w, uint32_t events)
{
	struct dns *dns = container_of(w, struct dns, datagrams);
	uint8_t bytes[PACKET_UDP_BYTES];

	for (int i = 0; i < BURST; i++) {
		struct sockaddr_in from = {.sin_family = AF_UNSPEC};
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(w->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC,
				     (struct sockaddr *)&from, &size);
		struct guest *g = n < 0 ? NULL : guest_at(dns, &from);

		if (n < 0)
			return;
		if (g && (size_t)n <= sizeof(bytes)) /* a longer one is no question */
			ask(dns, g, NULL, &from, bytes, (size_t)n);
	}
}

static void on_connections(struct watch *w, uint32_t events)
{
	struct dns *dns = container_of(w, struct dns, listener);

	for (int i = 0; i < BURST; i++) {
		struct sockaddr_in from = {.sin_family = AF_UNSPEC};
		socklen_t size = sizeof(from);
		int fd = accept4(w->fd, (struct sockaddr *)&from, &size,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct guest *g = fd < 0 ? NULL : guest_at(dns, &from);

		if (fd < 0)
			return;
		if (g)
			conn_accept(dns, g, fd);
		else
			close(fd);
	}
}

/* ---- life cycle ---- */

static void on_lost(struct wire_link *link, int err)
{
	struct dns *dns = link->self;

	loop_stop(dns->loop, err);
}

int dns_run(struct dns *dns)
{
	int r = loop_run(dns->loop);

	if (r < 0)
		log_error("event=ended err=%d what=\"%s\"", -r, strerror(-r));
	return r;
}

static int open_socket(int type)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(NET_PORT_DNS)};
	SCOPED_FD fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		return -errno;
	return keep_fd(&fd);
}

static int open_sockets(struct dns *dns)
{
	int r;

	dns->datagrams = (struct watch){.fd = open_socket(SOCK_DGRAM),
					.on_ready = on_datagrams,
					.name = "dns on_datagrams"};
	dns->listener = (struct watch){.fd = open_socket(SOCK_STREAM),
				       .on_ready = on_connections,
				       .name = "dns on_connections"};
	r = dns->datagrams.fd < 0 ? dns->datagrams.fd : 0;
	if (r == 0)
		r = dns->listener.fd < 0 ? dns->listener.fd : 0;
	if (r == 0)
		r = loop_watch(dns->loop, &dns->datagrams, EPOLLIN);
	return r == 0 ? loop_watch(dns->loop, &dns->listener, EPOLLIN) : r;
}

int dns_new(int control_fd, struct dns **out)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	int r;

	if (!dns)
		return -ENOMEM;
	chain_init(&dns->questions);
	chain_init(&dns->conns);
	dns->datagrams.fd = dns->listener.fd = -1;
	/* Instances are heard of before their questions are read. */
	dns->control = (struct wire_link){.name = "ebbd",
					  .rules = rules,
					  .rule_count = ARRAY_LEN(rules),
					  .phase = PHASE_NEW,
					  .self = dns,
					  .lost = on_lost,
					  .first = true,
					  .ends_on_failure = true};
	r = loop_new(&dns->loop);
	if (r == 0)
		r = open_sockets(dns);
	if (r == 0)
		r = wire_link_open(&dns->control, dns->loop, control_fd);
	if (r < 0) {
		dns_free(dns);
		return r;
	}
	*out = dns;
	return 0;
}

void dns_free(struct dns *dns)
{
	if (!dns)
		return;
	for (uint32_t range = 0; range < NET_RANGES; range++)
		drop(dns, range);
	wire_link_close(&dns->control);
	fd_close(&dns->datagrams.fd);
	fd_close(&dns->listener.fd);
	loop_free(dns->loop);
	free(dns);
}
