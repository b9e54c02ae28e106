// SPDX-License-Identifier: Apache-2.0
#include "runtime/ipc/shares.h"

#include "runtime/base/mem.h"

bool shares_fit(const struct shares *s, size_t more)
{
	must(s->used <= s->max);
	return more <= s->max - s->used;
}

void shares_take(struct shares *s, uint32_t service, size_t more)
{
	must(service < SERVICES_MAX && shares_fit(s, more));
	s->used += more;
	s->of[service] += more;
}

void shares_give(struct shares *s, uint32_t service, size_t less)
{
	must(service < SERVICES_MAX && s->of[service] >= less && s->used >= less);
	s->used -= less;
	s->of[service] -= less;
}

uint32_t shares_largest(const struct shares *s, uint32_t service, size_t more)
{
	uint32_t largest = 0;

	must(service < SERVICES_MAX);
	for (uint32_t n = 1; n < SERVICES_MAX; n++)
		if (s->of[n] > s->of[largest])
			largest = n;
	return s->of[largest] > s->of[service] + more ? largest : SERVICES_MAX;
}
