// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/decide/policy.h"

#include "runtime/base/mem.h"

#define X(name, text) [POLICY_##name] = text,
static const char *const reason_texts[POLICY_REASON_COUNT] = {POLICY_REASONS(X)};
#undef X

const char *policy_reason_text(enum policy_reason reason)
{
	return reason < POLICY_REASON_COUNT ? reason_texts[reason] : "?";
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t missing(uint32_t wanted, uint32_t have)
{
	return wanted > have ? wanted - have : 0;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t needed_for(uint32_t queued, uint32_t concurrency)
{
	must(concurrency > 0);
	return (queued + concurrency - 1) / concurrency;
}

/* One at a time: the relief by the next one is seen before another is asked for. */
static uint32_t need_by_load(const struct policy_view *v)
{
	return v->crowded > 0 && v->live > 0 && v->saturated >= v->live && v->starting == 0;
}

struct policy_decision policy_decide(const struct policy_view *v)
{
	uint32_t for_queue = needed_for(v->queued, v->concurrency);
	uint32_t by_queue = missing(for_queue, v->starting);
	uint32_t by_min = missing(v->min, v->starting + v->live);
	uint32_t by_load = need_by_load(v);
	uint32_t wanted = most(by_queue, most(by_min, by_load));
	uint32_t room = missing(v->max, v->starting + v->live);

	if (wanted == 0)
		return (struct policy_decision){0, POLICY_NOTHING_NEEDED};
	if (v->draining)
		return (struct policy_decision){0, POLICY_DRAINING};
	if (v->now_ns < v->not_before_ns)
		return (struct policy_decision){0, POLICY_BACKING_OFF};
	if (room == 0)
		return (struct policy_decision){0, POLICY_AT_MAX};
	if (v->unbilled)
		return (struct policy_decision){0, POLICY_UNBILLED};
	if (v->host_room == 0)
		return (struct policy_decision){0, POLICY_HOST_FULL};
	return (struct policy_decision){
		least(wanted, least(room, v->host_room)),
		by_queue == wanted ? POLICY_QUEUED
		: by_min < wanted  ? POLICY_SATURATED
		: v->proving       ? POLICY_PROVING
				   : POLICY_MIN_INSTANCES,
	};
}

uint32_t policy_retry_after_s(const struct policy_view *v, enum policy_reason reason)
{
	const uint64_t second_ns = UINT64_C(1000000000);

	if (reason == POLICY_BACKING_OFF && v->not_before_ns > v->now_ns)
		return (uint32_t)((v->not_before_ns - v->now_ns + second_ns - 1) / second_ns);
	/* A full host frees itself when others are done; a start takes about a second. */
	return reason == POLICY_HOST_FULL || reason == POLICY_UNBILLED || reason == POLICY_DRAINING
		       ? 5
		       : 1;
}

/* A freeze and a thaw cost some 60 us of CPU, and more with many threads. A freeze that is shorter
 * than this does not pay. */
#define FREEZE_PAYS_NS (20 * UINT64_C(1000000))
#define FREEZE_LONG_NS UINT64_C(1000000000)

uint64_t policy_grace_ns(uint64_t grace_ns, uint64_t frozen_ns)
{
	if (frozen_ns < FREEZE_PAYS_NS)
		grace_ns *= 2;
	else if (frozen_ns > FREEZE_LONG_NS)
		grace_ns /= 2;
	_Static_assert(GRACE_LEAST_NS < GRACE_FIRST_NS && GRACE_FIRST_NS < GRACE_MOST_NS,
		       "it can be learned both ways");
	if (grace_ns < GRACE_LEAST_NS)
		return GRACE_LEAST_NS;
	return grace_ns > GRACE_MOST_NS ? GRACE_MOST_NS : grace_ns;
}

uint64_t policy_backoff_ns(uint32_t failures)
{
	const uint64_t first_ns = 250 * UINT64_C(1000000);

	return failures < 2 ? 0 : first_ns << (failures > 8 ? 6 : failures - 2);
}

uint32_t policy_cpu_milli(uint32_t cpu_milli, uint32_t memory_mb)
{
	uint32_t by_memory = (uint32_t)((uint64_t)memory_mb * 1000 / 2048);

	if (cpu_milli > 0)
		return cpu_milli;
	return by_memory < 50 ? 50 : by_memory;
}
