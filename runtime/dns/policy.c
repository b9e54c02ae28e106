// SPDX-License-Identifier: Apache-2.0
#include "runtime/dns/policy.h"

#include <string.h>

#include "netns/ranges.h"

static bool name_matches(const char *pattern, const char *name)
{
	size_t n = strlen(name), tail;

	if (strcmp(pattern, "*") == 0)
		return true;
	if (strncmp(pattern, "*.", 2) != 0)
		return strcmp(pattern, name) == 0;
	tail = strlen(pattern + 1); /* ".example.org": below it, and not the name itself */
	return n > tail && strcmp(name + n - tail, pattern + 1) == 0;
}

int policy_name(const struct wire_egress *e, const char *name, uint16_t out_ports[EGRESS_NAMES_MAX])
{
	int count = 0;

	if (e->mode == WIRE_EGRESS_INTERNET)
		return 0;
	for (uint32_t i = 0; i < e->name_count; i++) {
		if (!name_matches(e->names[i].name, name))
			continue;
		out_ports[count++] = e->names[i].port;
		if (e->names[i].port == 0) {
			out_ports[0] = 0;
			return 1;
		}
	}
	return count > 0 ? count : -1;
}

static bool covers(const struct wire_subnet *s, const uint8_t address[16])
{
	uint32_t bytes = s->bits / 8, rest = s->bits % 8;

	if (memcmp(s->address, address, bytes) != 0)
		return false;
	return rest == 0 || (s->address[bytes] ^ address[bytes]) >> (8 - rest) == 0;
}

enum address_fate policy_address(const struct wire_egress *e, const uint8_t address[16])
{
	for (uint32_t i = 0; i < e->deny_count; i++)
		if (e->deny[i].port_first == 0 && covers(&e->deny[i], address))
			return ADDRESS_DROP;
	if (net_is_public(address))
		return e->mode == WIRE_EGRESS_INTERNET ? ADDRESS_KEEP : ADDRESS_OPEN;
	/* As in the rules: a subnet in a range that is not public opens it, 0.0.0.0/0 does not. */
	for (uint32_t i = 0; i < e->allow_count; i++)
		if (net_range_of(e->allow[i].address, e->allow[i].bits) &&
		    covers(&e->allow[i], address))
			return ADDRESS_KEEP;
	return ADDRESS_DROP;
}
