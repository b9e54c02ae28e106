/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which requests kill instances: a bounded table of kinds (a hash of method and path) that were in
 * flight when instances of their service died by themselves. No clock, no system call.
 *
 * A kind that was in flight at BLAME_DEATHS deaths in a row is refused for a while if it is the
 * only such kind, or was once alone in flight. Where several kinds share that fate, it takes twice
 * as many deaths. A death without the kind clears it, and so does an answer: the first request that
 * comes through clears a kind that merely shared an instance with a killer. After the cool-down one
 * more death is enough, and the kind is refused for twice as long.
 */
#ifndef EBB_SUPERVISOR_BLAME_H
#define EBB_SUPERVISOR_BLAME_H

#include "runtime/wire/records.h"

#define BLAME_DEATHS    3u
#define BLAME_WINDOW_NS (300 * UINT64_C(1000000000)) /* between two deaths of a row */
#define BLAME_BAN_NS    (10 * UINT64_C(1000000000))  /* the first time */
#define BLAME_BAN_MOST  6u                           /* doublings */

struct blame;

struct blame_verdict {
	uint64_t kind, until_ns; /* until_ns 0: watch it */
	uint32_t deaths;
	char label[BLAME_LABEL_SIZE];
};

int blame_new(struct blame **out); /* 0 or -ENOMEM */
/* NULL is fine. */
void blame_free(struct blame *b);
/* An instance died by itself. Each gateway whose bit is set in gateways will report the requests
 * that it had in flight there. A report about another instance counts for nothing, and so does a
 * second report of the same gateway. */
void blame_died(struct blame *b, uint32_t service, uint32_t slot, uint32_t generation,
		uint64_t gateways, uint64_t now_ns);
/* Takes a gateway's report of the requests that it had in flight. The report of the last awaited
 * gateway brings the verdicts: returns how many there are, at most BLAME_KINDS_MAX, else 0. */
uint32_t blame_report(struct blame *b, const struct wire_blame *report, uint32_t gateway,
		      uint64_t now_ns, struct blame_verdict verdicts[BLAME_KINDS_MAX]);
/* The gateway died. A death for which only its report was missing blames nobody. */
void blame_gateway_gone(struct blame *b, uint32_t gateway);
void blame_forget(struct blame *b, uint32_t service); /* it was changed or removed */
/* A gateway had a whole answer to a request of this kind. */
void blame_clear(struct blame *b, uint32_t service, uint64_t kind);

#endif
