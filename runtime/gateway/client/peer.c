// SPDX-License-Identifier: Apache-2.0
/*
 * Finds out the address of a client, whether it is trusted, and how many connections it has. The
 * address is that of the peer of the connection, or the one that a trusted front names (PROXY
 * protocol, only on listeners that ask for it).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/ip.h"
#include "runtime/gateway/client/addresses.h"
#include "runtime/gateway/client/peer.h"
#include "runtime/http/proxy_protocol.h"

static struct address address_v4(const void *bytes)
{
	struct address a = {.bytes = {[10] = 0xff, [11] = 0xff}};

	memcpy(a.bytes + 12, bytes, 4);
	return a;
}

/* Notes the address of a client: its bytes, its text, and whether it is trusted. */
static void set_address(struct gateway *g, struct client *c, const struct address *a)
{
	c->address = *a;
	(void)ip_format(a->bytes, c->peer);
	c->peer_size = (uint32_t)strlen(c->peer);
	c->trusted = false;
	for (uint32_t i = 0; i < g->config.trusted_count && !c->trusted; i++)
		c->trusted = network_has(&g->config.trusted[i], a);
}

void peer_note(struct gateway *g, struct client *c)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct address a = {{0}};
	const struct sockaddr_in *v4 = (const void *)&from;
	const struct sockaddr_in6 *v6 = (const void *)&from;

	c->counted = false;
	if (getpeername(c->s.fd, (struct sockaddr *)&from, &size) < 0)
		from.ss_family = AF_UNSPEC; /* the peer is gone already */
	if (from.ss_family == AF_INET)
		a = address_v4(&v4->sin_addr);
	else if (from.ss_family == AF_INET6)
		memcpy(a.bytes, &v6->sin6_addr, sizeof(a.bytes));
	set_address(g, c, &a);
}

bool peer_admit(struct gateway *g, struct client *c)
{
	/* A trusted front that names no client stands for many clients, so it has no limit. Callers
	 * have limits of their own. */
	if (g->config.address_connections_max == 0 || c->trusted || client_is_inside(c))
		return true;
	c->counted = true;
	if (addresses_add(g->addresses, &c->address) <= g->config.address_connections_max)
		return true;
	g->count.refused_address++;
	return false;
}

void peer_forget(struct gateway *g, struct client *c)
{
	if (c->counted)
		addresses_drop(g->addresses, &c->address);
	c->counted = false;
}

bool peer_must_introduce(const struct gateway *g, uint32_t listener)
{
	return g->listeners[listener].proxy;
}

int peer_read_introduction(struct gateway *g, struct client *c)
{
	struct proxy_protocol said;
	struct address a;
	long used;

	if (!c->trusted)
		return -1;
	used = proxy_protocol_parse(c->s.in.at, c->s.in.size, &said);
	if (used <= 0)
		return used < 0 ? -1 : 0;
	if (said.family == PROXY_IPV4)
		a = address_v4(said.source);
	else
		memcpy(a.bytes, said.source, sizeof(a.bytes));
	if (said.family != PROXY_NO_ADDRESS)
		set_address(g, c, &a);
	stream_consume(&g->io, &c->s, (uint32_t)used);
	return 1;
}
