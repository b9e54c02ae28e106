/* SPDX-License-Identifier: Apache-2.0 */
/* Days and dates of the proleptic Gregorian calendar. Pure. */
#ifndef EBB_CRON_DATE_H
#define EBB_CRON_DATE_H

#include <stdint.h>

#define DAY_S INT64_C(86400)

struct date {
	int64_t year;
	uint32_t month, day; /* 1..12, 1..31 */
};

/* Days since 1970-01-01. */
int64_t date_days(int64_t year, uint32_t month, uint32_t day);
struct date date_of_days(int64_t days);
uint32_t date_weekday(int64_t days); /* 0 = Sunday */
uint32_t date_month_days(int64_t year, uint32_t month);
/* The day that has this second, and the first second of that day is days * DAY_S. */
int64_t date_days_of(int64_t seconds);

#endif
