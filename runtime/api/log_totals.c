// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/log_totals.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define TOTALS_MAX (2u * SERVICES_MAX) /* services come and go */

struct log_totals {
	uint32_t count;
	struct log_total all[TOTALS_MAX + 1];
};

int log_totals_new(struct log_totals **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void log_totals_free(struct log_totals *t)
{
	free(t);
}

struct log_total *log_totals_of(struct log_totals *t, const char *service)
{
	struct log_total *new = &t->all[TOTALS_MAX];

	for (uint32_t i = 0; i < t->count; i++)
		if (strcmp(t->all[i].service, service) == 0)
			return &t->all[i];
	if (t->count < TOTALS_MAX &&
	    text_copy(t->all[t->count].service, SERVICE_NAME_SIZE, service) == 0)
		new = &t->all[t->count++];
	return new;
}

static const struct {
	const char *name, *help;
	size_t offset;
	uint64_t per_unit; /* units counted in one unit shown */
} series[] = {
	{"ebb_log_lines_total", "Log lines kept.", offsetof(struct log_total, lines), 1},
	{"ebb_log_bytes_total", "Bytes of log kept.", offsetof(struct log_total, bytes), 1},
	{"ebb_log_dropped_lines_total", "Log lines dropped because they were too many.",
	 offsetof(struct log_total, dropped_lines), 1},
	{"ebb_log_dropped_bytes_total", "Bytes of log dropped because they were too many.",
	 offsetof(struct log_total, dropped_bytes), 1},
	{"ebb_log_work_seconds_total", "CPU time that ebb-api used for logs.",
	 offsetof(struct log_total, work_ns), UINT64_C(1000000000)},
};

int log_totals_write(const struct log_totals *t, struct buffer *out)
{
	int r = 0;

	for (size_t k = 0; k < ARRAY_LEN(series) && r == 0; k++) {
		r = buffer_printf(out, "# HELP %s %s\n# TYPE %s counter\n", series[k].name,
				  series[k].help, series[k].name);
		for (uint32_t i = 0; i < t->count && r == 0; i++) {
			uint64_t n;

			memcpy(&n, (const char *)&t->all[i] + series[k].offset, sizeof(n));
			r = buffer_printf(out, "%s{service=\"%s\"} %" PRIu64, series[k].name,
					  t->all[i].service, n / series[k].per_unit);
			if (r == 0 && series[k].per_unit > 1)
				r = buffer_printf(out, ".%09" PRIu64, n % series[k].per_unit);
			if (r == 0)
				r = buffer_add(out, "\n", 1);
		}
	}
	return r;
}
