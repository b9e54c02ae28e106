// SPDX-License-Identifier: Apache-2.0
/* Clocks, and numbers of the environment. */
#include <stdlib.h>
#include <time.h>

#include "loop.h"

uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t deadline_in_ms(uint64_t deadline_ms)
{
	struct timespec t;
	uint64_t now_ms;

	clock_gettime(CLOCK_REALTIME, &t);
	now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
	return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

long env_number(const char *name, long otherwise)
{
	const char *text = getenv(name);
	char *end;
	long value = text ? strtol(text, &end, 10) : 0;

	return text && end > text && *end == '\0' ? value : otherwise;
}
