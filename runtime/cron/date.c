// SPDX-License-Identifier: Apache-2.0
#include "runtime/cron/date.h"

#include <stdbool.h>

/* Years begin in March, so that the leap day is the last one: eras of 400 years have 146,097 days.
 */
int64_t date_days(int64_t year, uint32_t month, uint32_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct date date_of_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
	int64_t m = (5 * of_year + 2) / 153;
	struct date d = {.year = years + era * 400,
			 .month = (uint32_t)(m < 10 ? m + 3 : m - 9),
			 .day = (uint32_t)(of_year - (153 * m + 2) / 5 + 1)};

	d.year += d.month <= 2;
	return d;
}

uint32_t date_weekday(int64_t days)
{
	int64_t n = (days + 4) % 7; /* 1970-01-01 was a Thursday */

	return (uint32_t)(n < 0 ? n + 7 : n);
}

uint32_t date_month_days(int64_t year, uint32_t month)
{
	static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return lengths[(month - 1) % 12] + (month == 2 && leap);
}

int64_t date_days_of(int64_t seconds)
{
	return seconds >= 0 ? seconds / DAY_S : -((-seconds + DAY_S - 1) / DAY_S);
}
