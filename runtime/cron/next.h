/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next moment at which a schedule is due. A schedule that names some hours of the day is due
 * once at each of its local times: at the first moment at which the local clock has come so far,
 * also where the clock skips that time, and once where the time comes twice (cron(8)). A schedule
 * with all hours of a day follows the clock. Pure.
 */
#ifndef EBB_CRON_NEXT_H
#define EBB_CRON_NEXT_H

#include "runtime/cron/expression.h"
#include "runtime/cron/zone.h"

#define CRON_NEVER INT64_MAX

/* The first moment behind `after`; both in seconds since the epoch. zone NULL: UTC. CRON_NEVER:
 * none within the next 40 years. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after);

#endif
