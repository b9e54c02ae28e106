// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/ip.h"
#include "runtime/base/text.h"

#define MAPPED_BITS 96 /* of ::ffff:a.b.c.d in front of the IPv4 address */

int network_parse(const char *text, struct wire_network *out)
{
	struct wire_network n = {.address = {[10] = 0xff, [11] = 0xff}};
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	bool v4 = !memchr(text, ':', size);
	uint64_t bits = v4 ? 32 : 128;

	if (size >= sizeof(host) || (slash && text_parse_u64(slash + 1, 0, bits, &bits) < 0))
		return -EINVAL;
	memcpy(host, text, size);
	host[size] = '\0';
	if (inet_pton(v4 ? AF_INET : AF_INET6, host, n.address + (v4 ? 12 : 0)) != 1)
		return -EINVAL;
	n.bits = (uint32_t)bits + (v4 ? MAPPED_BITS : 0);
	for (uint32_t bit = n.bits; bit < 128; bit++)
		if (n.address[bit / 8] >> (7 - bit % 8) & 1)
			return -EINVAL;
	*out = n;
	return 0;
}

void network_format(const struct wire_network *n, char *out, size_t size)
{
	char host[IP_TEXT_SIZE];
	bool v4 = ip_format(n->address, host);

	snprintf(out, size, "%s/%u", host, n->bits - (v4 ? MAPPED_BITS : 0));
}
