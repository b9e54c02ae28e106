// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/decide/saturation.h"

#include "runtime/base/mem.h"

#include <string.h>

#define CPU_FULL_PERMILLE   950u
#define CPU_CALM_PERMILLE   750u
#define CPU_HALF_PERMILLE   500u
#define STALL_HIGH_PERMILLE 500u
#define SLOW_TO_BELIEVE     3u
#define QUEUE_TO_BELIEVE    2u
#define BASE_ANSWERS        20u    /* first bytes until the baseline counts */
#define SLOW_FACTOR         3u     /* times the baseline */
#define SLOW_LEAST_US       20000u /* and so much more: microseconds jitter by factors */
#define HOLD_FIRST          20u    /* samples */
#define HOLD_MOST           640u
#define SETTLE              10u /* samples: a lowered limit must have had its effect */

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* A sixteenth of the way, and never stuck short of it. */
static uint32_t follow(uint32_t from, uint32_t to)
{
	if (to > from)
		return from + (to - from + 15) / 16;
	return from - (from - to + 15) / 16;
}

uint32_t load_cpu_permille(const struct load_state *s)
{
	uint32_t sum = 0;

	for (uint32_t n = 0; n < LOAD_BELIEVED; n++)
		sum += s->cpu[n];
	return sum / LOAD_BELIEVED;
}

/* One sample says little: the kernel gives quota in periods of the same length, and chance decides
 * whether a sample has one period or two. */
static void count_cpu(struct load_state *s, const struct load_sample *sample)
{
	bool stalled = sample->tickets > 1 && sample->stall_permille >= STALL_HIGH_PERMILLE;

	s->cpu[s->at++ % LOAD_BELIEVED] = sample->cpu_permille;
	s->stalled = stalled ? s->stalled + 1 : 0;
	/* Over 1.6 s: a crowd's reading in is shorter. */
	s->cpu_average = (15 * s->cpu_average + least(sample->cpu_permille, 1000) + 8) / 16;
}

/* Slower, with more requests open than when it was quick. If no more are open, the requests have
 * changed, and no other instance would answer them sooner. */
static bool is_slow(const struct load_state *s, const struct load_sample *sample)
{
	return s->base_answers >= BASE_ANSWERS &&
	       sample->first_byte_us > SLOW_FACTOR * s->base_us &&
	       sample->first_byte_us > s->base_us + SLOW_LEAST_US &&
	       sample->tickets > 2 * s->base_tickets + 2;
}

static void learn_base(struct load_state *s, const struct load_sample *sample)
{
	uint32_t answers = s->base_answers + sample->answers;

	if (s->base_answers < BASE_ANSWERS) {
		uint64_t sum = (uint64_t)s->base_us * s->base_answers +
			       (uint64_t)sample->first_byte_us * sample->answers;

		s->base_us = (uint32_t)(sum / answers);
		s->base_tickets = (uint32_t)(((uint64_t)s->base_tickets * s->base_answers +
					      (uint64_t)sample->tickets * sample->answers) /
					     answers);
	} else {
		s->base_us = follow(s->base_us, sample->first_byte_us);
		s->base_tickets = follow(s->base_tickets, sample->tickets);
	}
	s->base_answers = least(answers, 1000);
}

/* While the instance is slow, the baseline rises by a sixteenth each time. It takes a second or two
 * to follow requests that became three times as slow; for that long the judgement may be wrong. */
static void count_latency(struct load_state *s, const struct load_sample *sample)
{
	if (sample->answers == 0)
		return;
	if (is_slow(s, sample)) {
		s->slow++;
		s->quick = 0;
		s->base_us += s->base_us / 16 + 1;
		s->base_tickets += (s->base_tickets + 31) / 32;
		return;
	}
	s->slow = 0;
	s->quick++;
	learn_base(s, sample);
}

/* One sample alone may show a start, a collection of garbage, or a crowd on its way in. */
static void count_queue(struct load_state *s, const struct load_sample *sample)
{
	bool queued = sample->queued > 0 && sample->tickets > 1;

	s->queued = queued ? s->queued + 1 : 0;
	s->unqueued = queued ? 0 : s->unqueued + 1;
}

static enum load_cause cause_now(const struct load_state *s, const struct load_sample *sample)
{
	if (sample->nacks > 0)
		return LOAD_NACK;
	if (load_cpu_permille(s) >= CPU_FULL_PERMILLE)
		return LOAD_CPU;
	if (load_cpu_permille(s) >= CPU_HALF_PERMILLE && s->stalled >= LOAD_BELIEVED)
		return LOAD_STALL;
	if (s->queued >= QUEUE_TO_BELIEVE)
		return LOAD_QUEUE;
	if (s->slow >= SLOW_TO_BELIEVE)
		return LOAD_LATENCY;
	return LOAD_NONE;
}

/* A saturated instance stays so until its cause is over for certain. */
static bool is_relieved(const struct load_state *s)
{
	return load_cpu_permille(s) < CPU_CALM_PERMILLE &&
	       (s->cause != LOAD_LATENCY || s->quick >= SLOW_TO_BELIEVE) &&
	       (s->cause != LOAD_QUEUE || s->unqueued >= SLOW_TO_BELIEVE);
}

/* The open requests were too many: a seventh less, and no growing for a while. */
static void lower(struct load_state *s, const struct load_sample *sample)
{
	uint32_t limit = least(s->limit, sample->tickets) * 85 / 100;

	if (limit < LOAD_LIMIT_MIN)
		limit = LOAD_LIMIT_MIN;
	if (limit >= s->limit)
		return;
	must(limit >= LOAD_LIMIT_MIN && limit < s->limit);
	s->limit = limit;
	s->settle = SETTLE;
	if (s->hold_next == 0)
		s->hold_next = HOLD_FIRST;
	else if (s->grown)
		s->hold_next = least(2 * s->hold_next, HOLD_MOST);
	s->hold = s->hold_next;
	s->grown = false;
}

static void raise_limit(struct load_state *s, const struct load_bounds *bounds)
{
	s->limit = least(s->limit + (s->limit + 7) / 8, bounds->limit_max);
	s->grown = true;
}

/* Whether the saturation is to lower the limit. A crowd that came at once fills the CPU while the
 * instance reads it in, and then waits: only an average tells a crowd from too many requests.
 * Requests beyond the limit were let in before the limit fell. */
static bool lasts(const struct load_state *s, const struct load_sample *sample, enum load_cause now)
{
	if (now == LOAD_NACK)
		return true;
	if (s->settle > 0 || sample->tickets > s->limit)
		return false;
	return now == LOAD_LATENCY || now == LOAD_QUEUE || s->cpu_average >= CPU_FULL_PERMILLE ||
	       (now == LOAD_STALL && s->cpu_average >= CPU_HALF_PERMILLE);
}

static void adapt_limit(struct load_state *s, const struct load_bounds *bounds,
			const struct load_sample *sample, enum load_cause now)
{
	if (s->hold > 0)
		s->hold--;
	if (s->settle > 0)
		s->settle--;
	if (now != LOAD_NONE) {
		if (lasts(s, sample, now))
			lower(s, sample);
	} else if (s->cause == LOAD_NONE && s->hold == 0 && s->limit < bounds->limit_max &&
		   s->cpu_average < CPU_CALM_PERMILLE && 10 * sample->tickets >= 9 * s->limit) {
		raise_limit(s, bounds);
	}
}

void load_rest(struct load_state *s)
{
	s->cause = LOAD_NONE;
	memset(s->cpu, 0, sizeof(s->cpu));
	s->stalled = s->slow = s->quick = s->queued = s->cpu_average = 0;
}

bool load_step(struct load_state *s, const struct load_bounds *bounds,
	       const struct load_sample *sample)
{
	struct load_state before = *s;
	enum load_cause now;

	must(s->limit > 0 && bounds->limit_max > 0);
	count_cpu(s, sample);
	count_latency(s, sample);
	count_queue(s, sample);
	now = cause_now(s, sample);
	if (bounds->automatic)
		adapt_limit(s, bounds, sample, now);
	if (now != LOAD_NONE)
		s->cause = now;
	else if (s->cause != LOAD_NONE && is_relieved(s))
		s->cause = LOAD_NONE;
	return s->cause != before.cause || s->limit != before.limit;
}
