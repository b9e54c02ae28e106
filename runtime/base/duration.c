// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/duration.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

int duration_parse_ms(const char *text, uint64_t *out_ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	char digits[20];
	size_t n = strspn(text, "0123456789");
	uint64_t number;
	int r;

	if (n == 0 || n >= sizeof(digits))
		return n ? -ERANGE : -EINVAL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(text + n, units[i].name) != 0)
			continue;
		r = text_parse_u64(digits, 0, INT64_MAX / units[i].ms, &number);
		if (r == 0)
			*out_ms = number * units[i].ms;
		return r;
	}
	return -EINVAL;
}
