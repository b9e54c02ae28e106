// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t clock_mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

uint64_t clock_real_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * US_PER_SEC + (uint64_t)t.tv_nsec / NS_PER_US;
}

uint64_t clock_thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

#define DAYS_TO_EPOCH 719468 /* from 0000-03-01; the leap day ends such a year */
#define DAYS_OF_ERA   146097 /* 400 years */

struct date {
	int64_t year;
	unsigned int month, day, hour, minute, second;
};

/* Dates are counted here and not by libc: gmtime_r, strftime, strptime and timegm all read the time
 * zone from a file, which programs with a filter must not open. The arithmetic is that of the
 * proleptic Gregorian calendar. */
static struct date date_of(uint64_t seconds)
{
	uint64_t days = seconds / 86400 + DAYS_TO_EPOCH, rest = seconds % 86400;
	uint64_t era = days / DAYS_OF_ERA, of_era = days % DAYS_OF_ERA;
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned int shifted = (unsigned int)(5 * of_year + 2) / 153; /* 0 is March */
	struct date d = {
		.day = (unsigned int)of_year - (153 * shifted + 2) / 5 + 1,
		.month = shifted < 10 ? shifted + 3 : shifted - 9,
		.hour = (unsigned int)rest / 3600,
		.minute = (unsigned int)rest / 60 % 60,
		.second = (unsigned int)rest % 60,
	};

	d.year = (int64_t)(year + era * 400) + (d.month <= 2);
	return d;
}

static int64_t seconds_of(const struct date *d)
{
	int64_t year = d->year - (d->month <= 2), era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int64_t shifted = d->month > 2 ? d->month - 3 : d->month + 9;
	int64_t of_year = (153 * shifted + 2) / 5 + d->day - 1;
	int64_t days = era * DAYS_OF_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year;

	return (days - DAYS_TO_EPOCH) * 86400 + d->hour * 3600 + d->minute * 60 + d->second;
}

const char *clock_rfc3339(uint64_t real_us, char *buf)
{
	/* The form has room for a year of four digits. */
	uint64_t last_us = UINT64_C(253402300799) * US_PER_SEC + US_PER_SEC - 1;
	struct date d;

	real_us = real_us < last_us ? real_us : last_us;
	d = date_of(real_us / US_PER_SEC);
	snprintf(buf, CLOCK_DATE_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06" PRIu64 "Z",
		 (unsigned int)d.year % 10000, d.month % 100, d.day % 100, d.hour % 100,
		 d.minute % 100, d.second % 100, real_us % US_PER_SEC);
	return buf;
}

/* Reads the digits of ".123" as 123000 us; moves *text behind them. */
static uint64_t parse_fraction_us(const char **text)
{
	uint64_t us = 0, unit = US_PER_SEC / 10;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		us += (uint64_t)(**text - '0') * unit;
		unit /= 10;
	}
	return us;
}

/* Reads exactly count digits; moves *text behind them. */
static bool parse_digits(const char **text, unsigned int count, unsigned int *out)
{
	unsigned int n = 0;

	for (; count > 0; count--, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		n = n * 10 + (unsigned int)(**text - '0');
	}
	*out = n;
	return true;
}

static bool parse_byte(const char **text, char wanted)
{
	return **text == wanted ? (*text)++, true : false;
}

static unsigned int days_of_month(const struct date *d)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = d->year % 4 == 0 && (d->year % 100 != 0 || d->year % 400 == 0);

	return days[d->month - 1] + (d->month == 2 && leap);
}

/* Reads "2026-11-23T01:02:03". A leap second (60) is the first second of the next minute, as POSIX
 * counts. */
static bool parse_date(const char **text, struct date *out)
{
	unsigned int year = 0;
	struct date d = {0};

	if (!parse_digits(text, 4, &year) || !parse_byte(text, '-') ||
	    !parse_digits(text, 2, &d.month) || !parse_byte(text, '-') ||
	    !parse_digits(text, 2, &d.day) || (**text != 'T' && **text != 't'))
		return false;
	(*text)++;
	if (!parse_digits(text, 2, &d.hour) || !parse_byte(text, ':') ||
	    !parse_digits(text, 2, &d.minute) || !parse_byte(text, ':') ||
	    !parse_digits(text, 2, &d.second))
		return false;
	d.year = year;
	if (d.month < 1 || d.month > 12 || d.day < 1 || d.day > days_of_month(&d) || d.hour > 23 ||
	    d.minute > 59 || d.second > 60)
		return false;
	*out = d;
	return true;
}

/* Reads "Z" or "+hh:mm" with nothing behind it. */
static bool parse_offset_s(const char *text, int64_t *out_s)
{
	unsigned int hours, minutes;
	bool west = *text == '-';

	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
		*out_s = 0;
		return true;
	}
	if (!parse_byte(&text, west ? '-' : '+') || !parse_digits(&text, 2, &hours) ||
	    !parse_byte(&text, ':') || !parse_digits(&text, 2, &minutes) || *text || hours > 23 ||
	    minutes > 59)
		return false;
	*out_s = (int64_t)(hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

int clock_parse_rfc3339(const char *text, uint64_t *out_us)
{
	uint64_t fraction_us = 0;
	int64_t offset_s, seconds;
	struct date date;

	if (!parse_date(&text, &date))
		return -EINVAL;
	if (*text == '.') {
		text++;
		if (*text < '0' || *text > '9')
			return -EINVAL;
		fraction_us = parse_fraction_us(&text);
	}
	if (!parse_offset_s(text, &offset_s))
		return -EINVAL;
	seconds = seconds_of(&date) - offset_s;
	if (seconds < 0)
		return -EINVAL;
	*out_us = (uint64_t)seconds * US_PER_SEC + fraction_us;
	return 0;
}
