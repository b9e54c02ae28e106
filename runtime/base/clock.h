/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks. Intervals are CLOCK_MONOTONIC nanoseconds; dates are CLOCK_REALTIME microseconds. */
#ifndef EBB_BASE_CLOCK_H
#define EBB_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US  UINT64_C(1000)
#define NS_PER_MS  UINT64_C(1000000)
#define NS_PER_SEC UINT64_C(1000000000)
#define US_PER_SEC UINT64_C(1000000)
#define US_PER_MS  UINT64_C(1000)

/* CLOCK_MONOTONIC in ns, and CLOCK_REALTIME in us since the epoch (clock_gettime(2)). The vDSO
 * answers, without a system call (vdso(7)). */
uint64_t clock_mono_ns(void);
uint64_t clock_real_us(void);
uint64_t clock_thread_ns(void); /* CPU time that this thread used */
/* Writes "2026-11-23T01:02:03.456789Z" into buf (at least CLOCK_DATE_SIZE bytes) and returns buf.
 * Never makes a system call, because it is used under every filter. A date after the year 9999 is
 * shown as the end of that year. */
#define CLOCK_DATE_SIZE 28
const char *clock_rfc3339(uint64_t real_us, char *buf);
/* An RFC 3339 date-time as microseconds since the epoch. 0, or -EINVAL, also for a date before the
 * epoch. */
int clock_parse_rfc3339(const char *text, uint64_t *out_us);

#endif
