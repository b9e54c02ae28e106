// SPDX-License-Identifier: Apache-2.0
#include "runtime/net/told.h"

#include <string.h>

#include "runtime/base/mem.h"

#define AGAIN_NS UINT64_C(60000000000)

bool told_first(struct told *t, const struct wire_net_refused *refused, uint64_t now_ns)
{
	must(t->next < TOLD_MAX);
	for (uint32_t i = 0; i < TOLD_MAX; i++)
		if (t->at_ns[i] != 0 && now_ns - t->at_ns[i] < AGAIN_NS &&
		    memcmp(&t->kinds[i], refused, sizeof(*refused)) == 0)
			return false;
	t->kinds[t->next] = *refused;
	t->at_ns[t->next] = now_ns;
	t->next = (t->next + 1) % TOLD_MAX;
	return true;
}
