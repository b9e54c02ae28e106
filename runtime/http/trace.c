// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/trace.h"

#include <string.h>

/* Offsets in 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01. */
enum { VERSION_AT = 0, TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, SIZE_00 = 55 };

/* Lower-case hexadecimal digits; *any: one of them is not 0. */
static bool hex_at(const char *at, size_t size, bool *any)
{
	*any = false;
	for (size_t i = 0; i < size; i++) {
		if (!((at[i] >= '0' && at[i] <= '9') || (at[i] >= 'a' && at[i] <= 'f')))
			return false;
		*any |= at[i] != '0';
	}
	return true;
}

bool http_traceparent_valid(struct http_slice v)
{
	bool version, trace, parent, flags;

	if (v.size < SIZE_00 || v.at[2] != '-' || v.at[35] != '-' || v.at[52] != '-')
		return false;
	if (!hex_at(v.at + VERSION_AT, 2, &version) || !hex_at(v.at + TRACE_AT, 32, &trace) ||
	    !hex_at(v.at + PARENT_AT, 16, &parent) || !hex_at(v.at + FLAGS_AT, 2, &flags))
		return false;
	if (!trace || !parent || memcmp(v.at, "ff", 2) == 0)
		return false;
	return v.size == SIZE_00 || (version && v.at[SIZE_00] == '-');
}

static void two(char *at, unsigned int value)
{
	at[0] = (char)('0' + value / 10);
	at[1] = (char)('0' + value % 10);
}

/* Turns days since the epoch into a date of the Gregorian calendar. Years begin in March here, so
 * that the leap day is their last day. */
static void civil(uint64_t days, unsigned int *year, unsigned int *month, unsigned int *day)
{
	uint64_t z = days + 719468, era = z / 146097, of_era = z % 146097;
	uint64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;

	*day = (unsigned int)(of_year - (153 * m + 2) / 5 + 1);
	*month = (unsigned int)(m < 10 ? m + 3 : m - 9);
	*year = (unsigned int)(y + era * 400 + (*month <= 2));
}

void http_date(uint64_t seconds, char out[HTTP_DATE_SIZE])
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	unsigned int year, month, day, of_day = (unsigned int)(seconds % 86400);

	civil(seconds / 86400, &year, &month, &day);
	memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_SIZE);
	memcpy(out, days + seconds / 86400 % 7 * 3, 3);
	two(out + 5, day);
	memcpy(out + 8, months + (size_t)(month - 1) * 3, 3);
	two(out + 12, year / 100 % 100);
	two(out + 14, year % 100);
	two(out + 17, of_day / 3600);
	two(out + 20, of_day / 60 % 60);
	two(out + 23, of_day % 60);
}
