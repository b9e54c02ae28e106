/* SPDX-License-Identifier: Apache-2.0 */
/* Which refusals were told lately, so that each kind is told once a minute at most. Pure. */
#ifndef EBB_NET_TOLD_H
#define EBB_NET_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/net_records.h"

#define TOLD_MAX 512

struct told {
	struct wire_net_refused kinds[TOLD_MAX];
	uint64_t at_ns[TOLD_MAX]; /* 0 = free */
	uint32_t next;            /* it is overwritten next */
};

/* Whether this refusal is to be told now: it was not told within the last minute. */
bool told_first(struct told *t, const struct wire_net_refused *refused, uint64_t now_ns);

#endif
