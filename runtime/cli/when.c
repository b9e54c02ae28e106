// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/when.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/duration.h"

int when_parse(const char *text, uint64_t now_us, uint64_t *out_us)
{
	uint64_t age_ms;
	char copy[40];

	if (strlen(text) == 10 && text[4] == '-') {
		snprintf(copy, sizeof(copy), "%sT00:00:00Z", text);
		return clock_parse_rfc3339(copy, out_us);
	}
	if (duration_parse_ms(text, &age_ms) < 0)
		return clock_parse_rfc3339(text, out_us);
	*out_us = age_ms < now_us / US_PER_MS ? now_us - age_ms * US_PER_MS : 0;
	return 0;
}
