// SPDX-License-Identifier: Apache-2.0
#include "runtime/cron/zone_rule.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "runtime/cron/date.h"

#define CHANGES_NEAR 6 /* of the year before, this one and the next */

struct reader {
	const char *at, *end;
};

static bool take(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* "EST" or "<+03>". */
static int skip_name(struct reader *r)
{
	const char *from = r->at;

	if (take(r, '<')) {
		while (r->at < r->end && *r->at != '>')
			r->at++;
		return take(r, '>') ? 0 : -EINVAL;
	}
	while (r->at < r->end && isalpha((unsigned char)*r->at))
		r->at++;
	return r->at - from >= 3 ? 0 : -EINVAL;
}

static int read_number(struct reader *r, uint32_t max, uint32_t *out)
{
	uint32_t n = 0;
	const char *from = r->at;

	while (r->at < r->end && isdigit((unsigned char)*r->at) && n <= max)
		n = n * 10 + (uint32_t)(*r->at++ - '0');
	if (r->at == from || n > max)
		return -EINVAL;
	*out = n;
	return 0;
}

/* [+-]HH[:MM[:SS]]; a time of a change may have up to 167 hours. */
static int read_time(struct reader *r, int32_t *out)
{
	bool minus = take(r, '-');
	uint32_t h, m = 0, s = 0;

	if (!minus)
		(void)take(r, '+');
	if (read_number(r, 167, &h) < 0 || (take(r, ':') && read_number(r, 59, &m) < 0))
		return -EINVAL;
	if (take(r, ':') && read_number(r, 59, &s) < 0)
		return -EINVAL;
	*out = (int32_t)(h * 3600 + m * 60 + s) * (minus ? -1 : 1);
	return 0;
}

static int read_week_day(struct reader *r, struct zone_day *d)
{
	if (read_number(r, 12, &d->month) < 0 || !take(r, '.') || read_number(r, 5, &d->week) < 0 ||
	    !take(r, '.') || read_number(r, 6, &d->day) < 0 || d->month < 1 || d->week < 1)
		return -EINVAL;
	d->kind = ZONE_DAY_OF_WEEK;
	return 0;
}

static int read_day(struct reader *r, struct zone_day *d)
{
	int e;

	*d = (struct zone_day){.kind = ZONE_DAY_OF_YEAR, .seconds = 7200};
	if (!take(r, ','))
		return -EINVAL;
	if (take(r, 'M')) {
		e = read_week_day(r, d);
	} else if (take(r, 'J')) {
		d->kind = ZONE_DAY_NO_LEAP;
		e = read_number(r, 365, &d->day);
		if (d->day < 1)
			return -EINVAL;
	} else {
		e = read_number(r, 365, &d->day);
	}
	return e == 0 && take(r, '/') ? read_time(r, &d->seconds) : e;
}

int zone_rule_parse(const char *text, size_t size, struct zone_rule *out)
{
	struct reader r = {text, text + size};
	struct zone_rule rule = {0};
	int32_t west;

	if (skip_name(&r) < 0 || read_time(&r, &west) < 0)
		return -EINVAL;
	rule.standard = -west;
	if (r.at < r.end) {
		rule.changes = true;
		rule.summer = rule.standard + 3600;
		if (skip_name(&r) < 0)
			return -EINVAL;
		if (r.at < r.end && *r.at != ',') {
			if (read_time(&r, &west) < 0)
				return -EINVAL;
			rule.summer = -west;
		}
		if (read_day(&r, &rule.from) < 0 || read_day(&r, &rule.to) < 0)
			return -EINVAL;
	}
	if (r.at != r.end)
		return -EINVAL;
	*out = rule;
	return 0;
}

static int64_t day_of(const struct zone_day *d, int64_t year)
{
	int64_t first;
	uint32_t day, length;

	if (d->kind == ZONE_DAY_OF_YEAR)
		return date_days(year, 1, 1) + d->day;
	if (d->kind == ZONE_DAY_NO_LEAP) /* 29 February is never counted */
		return date_days(year, 1, 1) + d->day - 1 +
		       (d->day >= 60 && date_month_days(year, 2) == 29);
	first = date_days(year, d->month, 1);
	length = date_month_days(year, d->month);
	day = (d->day + 7 - date_weekday(first)) % 7 + (d->week - 1) * 7;
	while (day >= length)
		day -= 7;
	return first + day;
}

struct change {
	int64_t at;
	int32_t offset;
};

/* The changes of the years around a moment, in no order. */
static void changes_near(const struct zone_rule *r, int64_t at, struct change out[CHANGES_NEAR])
{
	int64_t year = date_of_days(date_days_of(at)).year;

	for (int n = 0; n < CHANGES_NEAR / 2; n++, out += 2) {
		out[0].at = day_of(&r->from, year + n - 1) * DAY_S + r->from.seconds - r->standard;
		out[0].offset = r->summer;
		out[1].at = day_of(&r->to, year + n - 1) * DAY_S + r->to.seconds - r->summer;
		out[1].offset = r->standard;
	}
}

int32_t zone_rule_offset(const struct zone_rule *r, int64_t at)
{
	struct change near[CHANGES_NEAR], last = {INT64_MIN, r->standard};

	if (!r->changes)
		return r->standard;
	changes_near(r, at, near);
	for (int i = 0; i < CHANGES_NEAR; i++)
		if (near[i].at <= at && near[i].at >= last.at)
			last = near[i];
	return last.offset;
}

int64_t zone_rule_next_change(const struct zone_rule *r, int64_t at)
{
	struct change near[CHANGES_NEAR];
	int64_t next = INT64_MAX;

	if (!r->changes)
		return INT64_MAX;
	changes_near(r, at, near);
	for (int i = 0; i < CHANGES_NEAR; i++)
		if (near[i].at > at && near[i].at < next)
			next = near[i].at;
	return next;
}
