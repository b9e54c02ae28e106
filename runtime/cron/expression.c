// SPDX-License-Identifier: Apache-2.0
#include "runtime/cron/expression.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cron/date.h"

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
					  "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum field_id { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELD_COUNT };

static const struct field {
	const char *what, *allowed;
	uint32_t min, max;
	const char *const *names; /* the first one stands for min */
	uint32_t name_count;
} fields[FIELD_COUNT] = {
	[FIELD_MINUTE] = {"minute", "0..59", 0, 59, NULL, 0},
	[FIELD_HOUR] = {"hour", "0..23", 0, 23, NULL, 0},
	[FIELD_DAY] = {"day of the month", "1..31", 1, 31, NULL, 0},
	[FIELD_MONTH] = {"month", "1..12 or jan..dec", 1, 12, month_names, ARRAY_LEN(month_names)},
	/* 7 is Sunday, too. */
	[FIELD_WEEKDAY] = {"weekday", "0..7 or sun..sat", 0, 7, weekday_names,
			   ARRAY_LEN(weekday_names)},
};

static int refuse_field(const struct field *f, const char *text, char *why)
{
	(void)snprintf(why, CRON_WHY_SIZE,
		       "has \"%.40s\" as its %s (%s, with lists, ranges and steps)", text, f->what,
		       f->allowed);
	return -EINVAL;
}

static int read_number(const struct field *f, const char *text, uint32_t *out)
{
	uint64_t n;

	for (uint32_t i = 0; i < f->name_count; i++)
		if (strcasecmp(text, f->names[i]) == 0) {
			*out = f->min + i;
			return 0;
		}
	if (text_parse_u64(text, f->min, f->max, &n) < 0)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

/* "*", "N" or "N-M", each with "/STEP" or not. */
static int read_part(const struct field *f, char *part, uint64_t *set)
{
	char *step_text = strchr(part, '/'), *to_text;
	uint64_t step = 1;
	uint32_t from = f->min, to = f->max;

	if (step_text)
		*step_text++ = '\0';
	if (step_text && text_parse_u64(step_text, 1, f->max, &step) < 0)
		return -EINVAL;
	if (strcmp(part, "*") != 0) {
		to_text = strchr(part, '-');
		if (to_text)
			*to_text++ = '\0';
		if (read_number(f, part, &from) < 0)
			return -EINVAL;
		to = step_text ? f->max : from; /* "N/STEP": from N on */
		if (to_text && (read_number(f, to_text, &to) < 0 || to < from))
			return -EINVAL;
	} else if (f->max == 7) {
		to = 6; /* a star has Sunday once */
	}
	for (uint64_t n = from; n <= to; n += step)
		*set |= UINT64_C(1) << n;
	return 0;
}

static int read_field(const struct field *f, const char *text, uint64_t *set, char *why)
{
	char copy[CRON_TEXT_SIZE], *rest = copy, *part;

	if (text_copy(copy, sizeof(copy), text) < 0)
		return refuse_field(f, text, why);
	*set = 0;
	while ((part = strsep(&rest, ",")) != NULL)
		if (read_part(f, part, set) < 0)
			return refuse_field(f, text, why);
	return 0;
}

/* Cuts the text into its words. Returns how many there are. */
static size_t cut(char *text, char **words, size_t room)
{
	size_t count = 0;
	char *word;

	while ((word = strsep(&text, " \t")) != NULL) {
		if (!*word)
			continue;
		if (count < room)
			words[count] = word;
		count++;
	}
	return count;
}

/* Whether some year has one of its days: 29 February does, 31 April does not. */
static bool ever_comes(const struct cron *c)
{
	if (!c->both_days)
		return true; /* every month has each weekday */
	for (uint32_t month = 1; month <= 12; month++)
		for (uint32_t day = 1; day <= date_month_days(2000, month); day++)
			if (c->months >> month & 1 && c->days >> day & 1)
				return true;
	return false;
}

int cron_parse(const char *text, struct cron *out, char *why)
{
	char copy[CRON_TEXT_SIZE], *words[FIELD_COUNT];
	uint64_t sets[FIELD_COUNT];
	size_t count;

	if (text_copy(copy, sizeof(copy), text) < 0) {
		(void)snprintf(why, CRON_WHY_SIZE, "is too long (..%d bytes)", CRON_TEXT_SIZE - 1);
		return -EINVAL;
	}
	count = cut(copy, words, FIELD_COUNT);
	if (count != FIELD_COUNT) {
		(void)snprintf(why, CRON_WHY_SIZE,
			       "has %zu fields (5: minute, hour, day of the month, month, weekday)",
			       count);
		return -EINVAL;
	}
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (read_field(&fields[i], words[i], &sets[i], why) < 0)
			return -EINVAL;
	*out = (struct cron){
		.minutes = sets[FIELD_MINUTE],
		.hours = (uint32_t)sets[FIELD_HOUR],
		.days = (uint32_t)sets[FIELD_DAY],
		.months = (uint32_t)sets[FIELD_MONTH],
		.weekdays = (uint32_t)((sets[FIELD_WEEKDAY] | sets[FIELD_WEEKDAY] >> 7) & 0x7f),
		.both_days = words[FIELD_DAY][0] == '*' || words[FIELD_WEEKDAY][0] == '*'};
	if (ever_comes(out))
		return 0;
	(void)snprintf(why, CRON_WHY_SIZE, "never comes: no such month has such a day");
	return -EINVAL;
}

bool cron_has_day(const struct cron *c, int64_t days)
{
	struct date d = date_of_days(days);
	bool by_day = c->days >> d.day & 1, by_weekday = c->weekdays >> date_weekday(days) & 1;

	return c->months >> d.month & 1 &&
	       (c->both_days ? by_day && by_weekday : by_day || by_weekday);
}

bool cron_has_all_hours(const struct cron *c)
{
	return c->hours == 0xffffffu;
}
