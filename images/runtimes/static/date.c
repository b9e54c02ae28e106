// SPDX-License-Identifier: Apache-2.0
#include "date.h"

#include <stdio.h>
#include <string.h>

#define DAY_SECONDS  86400
#define LAST_SECONDS INT64_C(253402300799) /* of the year 9999 */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "ThuFriSatSunMonTueWed"; /* the epoch was a Thursday */

/* Days from the epoch to the first day of a month, 1 to 12, in the calendar of Gregory: years that
 * begin in March end with the leap day. */
static int64_t days_before(int64_t year, int month)
{
	int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 - 719468;
}

void date_write(int64_t seconds, char out[DATE_BYTES])
{
	int64_t day, year, rest;
	int month = 12;

	seconds = seconds < 0 ? 0 : seconds > LAST_SECONDS ? LAST_SECONDS : seconds;
	day = seconds / DAY_SECONDS;
	rest = seconds % DAY_SECONDS;
	year = 1970 + day / 366;
	while (days_before(year + 1, 1) <= day)
		year++;
	while (days_before(year, month) > day)
		month--;
	snprintf(out, DATE_BYTES, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + day % 7 * 3,
		 (int)(day - days_before(year, month) + 1) & 31, months + (month - 1) * 3,
		 (int)(year % 10000), (int)(rest / 3600 % 24), (int)(rest / 60 % 60),
		 (int)(rest % 60));
}

static int month_of(const char *name)
{
	const char *at = strlen(name) == 3 ? strstr(months, name) : NULL;

	return at && (at - months) % 3 == 0 ? (int)(at - months) / 3 + 1 : 0;
}

struct parts {
	char month[4];
	int day, year, h, m, s;
};

static bool is_whole(const char *text, int end)
{
	return end > 0 && !text[end];
}

static bool read_fixed(const char *text, struct parts *p)
{
	int end = 0;

	(void)sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &p->day, p->month,
		     &p->year, &p->h, &p->m, &p->s, &end);
	return is_whole(text, end);
}

/* A year of two digits is of this century up to 69 (RFC 9110 wants at most 50 years ahead). */
static bool read_rfc850(const char *text, struct parts *p)
{
	int end = 0;

	(void)sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &p->day, p->month,
		     &p->year, &p->h, &p->m, &p->s, &end);
	p->year += p->year < 70 ? 2000 : 1900;
	return is_whole(text, end);
}

static bool read_asctime(const char *text, struct parts *p)
{
	int end = 0;

	(void)sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", p->month, &p->day, &p->h,
		     &p->m, &p->s, &p->year, &end);
	return is_whole(text, end);
}

bool date_read(const char *text, int64_t *out)
{
	struct parts p = {.h = -1, .m = -1, .s = -1};
	int month;

	if (!read_fixed(text, &p) && !read_rfc850(text, &p) && !read_asctime(text, &p))
		return false;
	month = month_of(p.month);
	if (!month || p.day < 1 || p.day > 31 || p.h < 0 || p.h > 23 || p.m < 0 || p.m > 59 ||
	    p.s < 0 || p.s > 60 || p.year < 0)
		return false;
	*out = (days_before(p.year, month) + p.day - 1) * DAY_SECONDS + p.h * 3600 + p.m * 60 + p.s;
	return true;
}
