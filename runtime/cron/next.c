// SPDX-License-Identifier: Apache-2.0
#include "runtime/cron/next.h"

#include "runtime/cron/date.h"

#define DAYS_AHEAD  14610 /* 40 years: 29 February may be eight years away, on a weekday 40 */
#define OFFSET_MOST (26 * 3600)

/* The first moment at which the local clock has reached a local time. */
static int64_t reaches(const struct zone *z, int64_t local)
{
	int64_t at = local - OFFSET_MOST - 1;

	for (;;) {
		int64_t end = zone_next_change(z, at), here = local - zone_offset(z, at);

		if (here < at)
			here = at; /* the clock skipped it */
		if (here < end)
			return here;
		at = end;
	}
}

/* The first local time of the schedule that is not before `from`; CRON_NEVER: none until the day.
 */
static int64_t next_local(const struct cron *c, int64_t from, int64_t last_day)
{
	for (int64_t day = date_days_of(from); day <= last_day; day++) {
		if (!cron_has_day(c, day))
			continue;
		for (uint32_t hour = 0; hour < 24; hour++) {
			int64_t begin = day * DAY_S + hour * 3600;

			if (!(c->hours >> hour & 1) || begin + 3599 < from)
				continue;
			for (uint32_t minute = 0; minute < 60; minute++)
				if (c->minutes >> minute & 1 && begin + minute * 60 >= from)
					return begin + minute * 60;
		}
	}
	return CRON_NEVER;
}

/* All hours: it follows the clock, through one piece of constant offset after the other. */
static int64_t next_by_clock(const struct cron *c, const struct zone *z, int64_t after,
			     int64_t last_day)
{
	int64_t at = after + 1;

	for (;;) {
		int32_t offset = zone_offset(z, at);
		int64_t end = zone_next_change(z, at);
		int64_t local = next_local(c, at + offset, last_day);

		if (local == CRON_NEVER)
			return CRON_NEVER;
		if (local - offset < end)
			return local - offset;
		at = end;
	}
}

/* Some hours: the moments of its local times are in their order. The first is looked for from a
 * day before, because a local time may have been put off. */
static int64_t next_by_time(const struct cron *c, const struct zone *z, int64_t after,
			    int64_t last_day)
{
	int64_t local = after + zone_offset(z, after) - DAY_S;

	for (;;) {
		int64_t at;

		local = next_local(c, local, last_day);
		if (local == CRON_NEVER)
			return CRON_NEVER;
		at = reaches(z, local);
		if (at > after)
			return at;
		local += 60;
	}
}

int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after)
{
	int64_t last_day = date_days_of(after) + DAYS_AHEAD;

	return cron_has_all_hours(c) ? next_by_clock(c, z, after, last_day)
				     : next_by_time(c, z, after, last_day);
}
