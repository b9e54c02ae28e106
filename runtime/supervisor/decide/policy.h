/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions as pure functions of a view: no clock, no system call, no state. */
#ifndef EBB_SUPERVISOR_POLICY_H
#define EBB_SUPERVISOR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#define GRACE_FIRST_NS (50 * UINT64_C(1000000))
#define GRACE_LEAST_NS (10 * UINT64_C(1000000))
#define GRACE_MOST_NS  UINT64_C(1000000000)

/* One service as the policy sees it. */
struct policy_view {
	uint32_t queued;        /* requests waiting in all gateways */
	uint32_t starting;      /* instances of the current revision not ready yet */
	uint32_t live;          /* ready ones, frozen or not */
	uint32_t min, max;      /* instances */
	uint32_t concurrency;   /* tickets per instance, as far as it is known */
	uint32_t saturated;     /* of the live ones */
	uint32_t crowded;       /* requests that went to saturated ones lately */
	uint32_t host_room;     /* instances the host can still take */
	bool unbilled;          /* their usage cannot be written down now */
	bool draining;          /* the host takes no new work */
	bool proving;           /* min is not the setting: a first one is asked for */
	uint64_t not_before_ns; /* after failures: no start before this */
	uint64_t now_ns;
};

/* clang-format off */
#define POLICY_REASONS(X) \
	X(NOTHING_NEEDED, "nothing is needed") \
	X(QUEUED, "requests wait and no instance has room") \
	X(SATURATED, "every instance is saturated") \
	X(MIN_INSTANCES, "minInstances or a deployment that waits asks for it") \
	X(PROVING, "it was told to start") \
	X(AT_MAX, "maxInstances are up already") \
	X(HOST_FULL, "this host takes no more instances") \
	X(DRAINING, "this host is drained: it takes no new work") \
	X(UNBILLED, "the usage of instances cannot be written to the ledger; see the log of ebbd") \
	X(BACKING_OFF, "the last start failed a moment ago")
/* clang-format on */
#define X(name, text) POLICY_##name,
enum policy_reason { POLICY_REASONS(X) POLICY_REASON_COUNT };
#undef X

struct policy_decision {
	uint32_t start; /* instances to start now */
	enum policy_reason reason;
};

/* How many instances to start now, and why, or why none. */
struct policy_decision policy_decide(const struct policy_view *view);
/* After how many seconds a refused client should come back: when the reason may have passed. */
uint32_t policy_retry_after_s(const struct policy_view *view, enum policy_reason reason);
const char *policy_reason_text(enum policy_reason reason);

/* The next grace before a freeze, from the last grace and from how long the freeze then lasted. A
 * freeze that was undone at once was waste; a long one could have come sooner. */
uint64_t policy_grace_ns(uint64_t grace_ns, uint64_t frozen_ns);
/* How long to wait before the next start after this many failures in a row. */
uint64_t policy_backoff_ns(uint32_t failures);
/* CPU of an instance in thousandths: the setting, or memory / 2 GiB of one CPU. */
uint32_t policy_cpu_milli(uint32_t cpu_milli, uint32_t memory_mb);

#endif
