/* SPDX-License-Identifier: Apache-2.0 */
/* A cron expression of five fields as sets of numbers (crontab(5)). Pure. */
#ifndef EBB_CRON_EXPRESSION_H
#define EBB_CRON_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRON_TEXT_SIZE 128
#define CRON_WHY_SIZE  160

struct cron {
	/* Bit n: the number n belongs to it. */
	uint64_t minutes;
	uint32_t hours, days, months, weekdays; /* 0 = Sunday */
	/* One of both begins with "*": a day is to be in both sets. Else in one of them. */
	bool both_days;
};

/* Reads "MINUTE HOUR DAY MONTH WEEKDAY": numbers, names of months and weekdays, lists, ranges,
 * steps. 0, or -EINVAL with the cause in why (CRON_WHY_SIZE bytes), which completes "it ...". */
int cron_parse(const char *text, struct cron *out, char *why);
/* Whether the day has the schedule; days since 1970-01-01. */
bool cron_has_day(const struct cron *c, int64_t days);
bool cron_has_all_hours(const struct cron *c);

#endif
