// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/when.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

int when_parse(const char *text, uint64_t now_us, uint64_t *out_us)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t n = strspn(text, "0123456789");
	char copy[40];
	uint64_t number;

	if (strlen(text) == 10 && text[4] == '-') {
		snprintf(copy, sizeof(copy), "%sT00:00:00Z", text);
		return clock_parse_rfc3339(copy, out_us);
	}
	if (n == 0 || n > 9 || strlen(text) != n + 1)
		return clock_parse_rfc3339(text, out_us);
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (text_parse_u64(copy, 0, 999999999, &number) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		uint64_t age_us = number * units[i].seconds * US_PER_SEC;

		if (units[i].unit != text[n])
			continue;
		*out_us = age_us < now_us ? now_us - age_us : 0;
		return 0;
	}
	return -EINVAL;
}
