// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/log_pace.h"

#include <inttypes.h>
#include <stdio.h>

void log_pace_init(struct log_pace *p)
{
	*p = (struct log_pace){
		.bytes = {.per_s = LOG_BYTES_PER_S, .most = LOG_BYTES_MOST},
		.work = pace_of(LOG_WORK_PER_S, LOG_WORK_MOST),
	};
}

void log_pace_wrote(struct log_pace *p, uint64_t bytes, uint64_t lines, uint64_t now_ns)
{
	if (!allowance_take(&p->bytes, bytes + lines * LOG_LINE_COST, now_ns))
		p->dropping = true;
}

/* Written so that compilers make vectors of it: memchr is slow on bytes that are all newlines. */
static uint64_t count_lines(const char *bytes, size_t size)
{
	uint64_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += bytes[i] == '\n';
	return count;
}

void log_pace_drop(struct log_pace *p, const char *bytes, size_t size)
{
	if (size == 0)
		return;
	p->dropped_bytes += size;
	p->dropped_lines += count_lines(bytes, size);
	p->mid_line = bytes[size - 1] != '\n';
}

bool log_pace_may_resume(struct log_pace *p, uint64_t now_ns)
{
	return allowance_left(&p->bytes, now_ns) >= (int64_t)LOG_BYTES_PER_S;
}

size_t log_pace_resume(struct log_pace *p, char *text, size_t size)
{
	uint64_t lines = p->dropped_lines + p->mid_line;
	int n = snprintf(text, size,
			 "ebb: %" PRIu64 " lines (%" PRIu64 " bytes) were dropped here: more than "
			 "%" PRIu64 " KiB/s of log",
			 lines, p->dropped_bytes, LOG_BYTES_PER_S >> 10);

	p->dropping = false;
	p->dropped_lines = p->dropped_bytes = 0;
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

uint64_t log_pace_worked(struct log_pace *p, uint64_t work_ns, uint64_t now_ns)
{
	uint64_t rest_ns = pace_worked(&p->work, work_ns, now_ns);

	if ((pace_is_overdrawn(&p->work) || p->dropping) && rest_ns < LOG_PACE_NS)
		rest_ns = LOG_PACE_NS;
	return rest_ns > 0 ? now_ns + rest_ns : 0;
}
