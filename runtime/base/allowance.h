/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token bucket. An allowance is so much per second, and an unused rest is kept up to a bound. It
 * may be overdrawn: a cost that is known only afterwards is paid by waiting. Pure.
 */
#ifndef EBB_BASE_ALLOWANCE_H
#define EBB_BASE_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

struct allowance {
	uint64_t per_s, most; /* per_s > 0; most: the bound of the rest */
	int64_t left;
	uint64_t at_ns; /* CLOCK_MONOTONIC of the last look; 0 = never used, and full */
};

/* Adds what was earned since the last look. Returns the rest, which is below 0 while the allowance
 * is overdrawn. */
static inline int64_t allowance_left(struct allowance *a, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns > a->at_ns ? now_ns - a->at_ns : 0;
	__int128 earned = (__int128)passed_ns * a->per_s / 1000000000, left = a->left + earned;

	if (a->at_ns == 0 || left > (__int128)a->most)
		left = (__int128)a->most;
	if (earned > 0 || a->at_ns == 0)
		a->at_ns = now_ns; /* while nothing is earned, the time adds up */
	a->left = (int64_t)left;
	return a->left;
}

/* Takes amount. False: the allowance is overdrawn now. */
static inline bool allowance_take(struct allowance *a, uint64_t amount, uint64_t now_ns)
{
	(void)allowance_left(a, now_ns);
	a->left -= (int64_t)amount; /* amounts are measured, and far from 2^63 */
	return a->left >= 0;
}

/* Nanoseconds until it is not overdrawn any more. */
static inline uint64_t allowance_wait_ns(const struct allowance *a)
{
	uint64_t debt = a->left < 0 ? (uint64_t)-a->left : 0;

	return debt ? (uint64_t)((unsigned __int128)debt * 1000000000 / a->per_s) + 1 : 0;
}

#endif
