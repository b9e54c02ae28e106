// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/dns/inside.h"

#define TOLD_BURST      20
#define TOLD_PER_MINUTE 60 /* an allowance of 1 a second, of which a refusal costs a minute */

/* Notes it. */
static bool was_told(struct guest *g, uint64_t kind)
{
	for (uint32_t i = 0; i < TOLD_KINDS; i++)
		if (g->told_lately[i] == kind)
			return true;
	g->told_lately[g->told_next++ % TOLD_KINDS] = kind;
	return false;
}

void dns_refused(struct dns *dns, struct guest *g, enum dns_refusal reason, const char *name)
{
	struct wire_dns_refused record = {
		.range = g->range, .generation = g->generation, .reason = reason};

	if (was_told(g, text_hash(name, strlen(name)) ^ reason))
		return;
	if (g->told.per_s == 0)
		g->told = (struct allowance){.per_s = 1, .most = TOLD_BURST * TOLD_PER_MINUTE};
	if (allowance_left(&g->told, loop_now_ns(dns->loop)) < TOLD_PER_MINUTE)
		return;
	(void)allowance_take(&g->told, TOLD_PER_MINUTE, loop_now_ns(dns->loop));
	(void)text_copy(record.name, sizeof(record.name), name);
	(void)wire_link_send(&dns->control, WIRE_DNS_REFUSED, &record, sizeof(record), NULL, 0);
}
