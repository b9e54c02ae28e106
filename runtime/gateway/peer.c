// SPDX-License-Identifier: Apache-2.0
/*
 * Who a client is: the peer of its connection, or whom a trusted front says it speaks for (PROXY
 * protocol, on listeners that ask for it and nowhere else); whether it is trusted; and how many
 * connections it has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/proxy.h"
#include "runtime/http/proxy_protocol.h"

static struct address address_v4(const void *bytes)
{
	struct address a = {.bytes = {[10] = 0xff, [11] = 0xff}};

	memcpy(a.bytes + 12, bytes, 4);
	return a;
}

/* What the address means for this client: its text, and whether it is trusted. */
static void set_address(struct proxy *p, struct client *c, const struct address *a)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)a->bytes);

	c->address = *a;
	inet_ntop(v4 ? AF_INET : AF_INET6, a->bytes + (v4 ? 12 : 0), c->peer, sizeof(c->peer));
	c->peer_size = (uint32_t)strlen(c->peer);
	c->trusted = false;
	for (uint32_t i = 0; i < p->config.trusted_count && !c->trusted; i++)
		c->trusted = network_has(&p->config.trusted[i], a);
}

void peer_note(struct proxy *p, struct client *c)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct address a = {{0}};
	const struct sockaddr_in *v4 = (const void *)&from;
	const struct sockaddr_in6 *v6 = (const void *)&from;

	c->counted = false;
	if (getpeername(c->s.fd, (struct sockaddr *)&from, &size) < 0)
		from.ss_family = AF_UNSPEC; /* gone already */
	if (from.ss_family == AF_INET)
		a = address_v4(&v4->sin_addr);
	else if (from.ss_family == AF_INET6)
		memcpy(a.bytes, &v6->sin6_addr, sizeof(a.bytes));
	set_address(p, c, &a);
}

bool peer_admit(struct proxy *p, struct client *c)
{
	/* A front that does not say for whom it speaks stands for many. */
	if (p->config.address_connections_max == 0 || c->trusted)
		return true;
	c->counted = true;
	if (addresses_add(&p->addresses, &c->address) <= p->config.address_connections_max)
		return true;
	p->count.refused_address++;
	return false;
}

void peer_forget(struct proxy *p, struct client *c)
{
	if (c->counted)
		addresses_drop(&p->addresses, &c->address);
	c->counted = false;
}

bool peer_must_introduce(const struct proxy *p, uint32_t listener)
{
	return p->config.proxy_listeners >> listener & 1;
}

/* Nobody but a front is connected here, and none would read an answer in HTTP. */
static void refuse(struct proxy *p, struct client *c)
{
	p->count.proxy_refused++;
	client_close(p, c);
}

void peer_read_introduction(struct proxy *p, struct client *c)
{
	struct proxy_protocol said;
	struct address a;
	long used;

	if (!c->trusted) {
		refuse(p, c);
		return;
	}
	used = proxy_protocol_parse(c->s.in.at, c->s.in.size, &said);
	if (used < 0) {
		refuse(p, c);
		return;
	}
	if (used == 0) {
		stream_recv(&p->io, &c->s);
		return;
	}
	if (said.family == PROXY_IPV4)
		a = address_v4(said.source);
	else
		memcpy(a.bytes, said.source, sizeof(a.bytes));
	if (said.family != PROXY_NO_ADDRESS)
		set_address(p, c, &a);
	stream_consume(&p->io, &c->s, (uint32_t)used);
	client_begin(p, c);
}
