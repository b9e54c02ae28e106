// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

const char *clock_rfc3339(uint64_t real_us, char *buf)
{
	time_t seconds = (time_t)(real_us / US_PER_SEC);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, 28, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, 28 - n, ".%06" PRIu64 "Z", real_us % US_PER_SEC);
	return buf;
}

/* ".123" -> 123000 us; moves *text behind the digits. */
static uint64_t parse_fraction_us(const char **text)
{
	uint64_t us = 0, unit = US_PER_SEC / 10;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		us += (uint64_t)(**text - '0') * unit;
		unit /= 10;
	}
	return us;
}

/* "Z" or "+hh:mm" and nothing behind it. */
static int parse_offset_s(const char *text, int *out_s)
{
	int hours, minutes, used = 0;

	if (strcmp(text, "Z") == 0) {
		*out_s = 0;
		return 0;
	}
	if ((*text != '+' && *text != '-') ||
	    sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || text[1 + used] != '\0' ||
	    hours > 23 || minutes > 59)
		return -EINVAL;
	*out_s = (hours * 60 + minutes) * 60 * (*text == '-' ? -1 : 1);
	return 0;
}

int clock_parse_rfc3339(const char *text, uint64_t *out_us)
{
	struct tm tm = {0};
	uint64_t fraction_us = 0;
	int offset_s;
	time_t seconds;
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest)
		return -EINVAL;
	if (*rest == '.') {
		rest++;
		fraction_us = parse_fraction_us(&rest);
	}
	if (parse_offset_s(rest, &offset_s) < 0)
		return -EINVAL;
	seconds = timegm(&tm) - offset_s;
	if (seconds < 0)
		return -EINVAL;
	*out_us = (uint64_t)seconds * US_PER_SEC + fraction_us;
	return 0;
}
