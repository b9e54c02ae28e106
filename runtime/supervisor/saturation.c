// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/saturation.h"

#define CPU_FULL_PERMILLE   900u
#define CPU_CALM_PERMILLE   750u
#define CPU_HALF_PERMILLE   500u
#define STALL_HIGH_PERMILLE 500u
#define SAMPLES_TO_BELIEVE  2u
#define SLOW_TO_BELIEVE     3u
#define BASE_ANSWERS        20u    /* first bytes until the baseline counts */
#define SLOW_FACTOR         3u     /* times the baseline */
#define SLOW_LEAST_US       20000u /* and so much more: microseconds jitter by factors */
#define HOLD_FIRST          20u    /* samples */
#define HOLD_MOST           640u

#define X(name, text) [LOAD_##name] = text,
static const char *const cause_texts[LOAD_CAUSE_COUNT] = {LOAD_CAUSES(X)};
#undef X

const char *load_cause_text(enum load_cause cause)
{
	return cause < LOAD_CAUSE_COUNT ? cause_texts[cause] : "?";
}

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

static void count_cpu(struct load_state *s, const struct load_sample *sample)
{
	bool busy = sample->cpu_permille >= CPU_FULL_PERMILLE ||
		    (sample->cpu_permille >= CPU_HALF_PERMILLE && sample->tickets > 1 &&
		     sample->stall_permille >= STALL_HIGH_PERMILLE);
	bool calm = !busy && sample->cpu_permille < CPU_CALM_PERMILLE;

	s->busy = busy ? s->busy + 1 : 0;
	s->calm = calm ? s->calm + 1 : 0;
}

/* Slower, and with more open than when it was quick: without that, it is the requests that have
 * changed and no other instance would answer them sooner. */
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

/* While it is slow the baseline rises by 6 % at most each time: a second or two for what became
 * three times as slow, and as long as that is how long we may be wrong. */
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

static enum load_cause cause_now(const struct load_state *s, const struct load_sample *sample)
{
	if (sample->nacks > 0)
		return LOAD_NACK;
	if (s->busy >= SAMPLES_TO_BELIEVE)
		return sample->cpu_permille >= CPU_FULL_PERMILLE ? LOAD_CPU : LOAD_STALL;
	if (s->slow >= SLOW_TO_BELIEVE)
		return LOAD_LATENCY;
	return LOAD_NONE;
}

/* Saturated stays saturated until that is over for certain. */
static bool is_relieved(const struct load_state *s)
{
	return s->calm >= SAMPLES_TO_BELIEVE &&
	       (s->cause != LOAD_LATENCY || s->quick >= SLOW_TO_BELIEVE);
}

/* What it had open was too much: a seventh less, and no growing for a while. */
static void lower(struct load_state *s, const struct load_sample *sample)
{
	uint32_t limit = least(s->limit, sample->tickets) * 85 / 100;

	if (limit < LOAD_LIMIT_MIN)
		limit = LOAD_LIMIT_MIN;
	if (limit >= s->limit)
		return;
	s->limit = limit;
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

static void adapt_limit(struct load_state *s, const struct load_bounds *bounds,
			const struct load_sample *sample, enum load_cause now)
{
	if (s->hold > 0)
		s->hold--;
	if (now != LOAD_NONE) {
		lower(s, sample);
		s->busy = s->slow = 0; /* the next step down wants proof again */
	} else if (s->cause == LOAD_NONE && s->hold == 0 && s->limit < bounds->limit_max &&
		   sample->cpu_permille < CPU_CALM_PERMILLE &&
		   10 * sample->tickets >= 9 * s->limit) {
		raise_limit(s, bounds);
	}
}

bool load_step(struct load_state *s, const struct load_bounds *bounds,
	       const struct load_sample *sample)
{
	struct load_state before = *s;
	enum load_cause now;

	count_cpu(s, sample);
	count_latency(s, sample);
	now = cause_now(s, sample);
	if (bounds->automatic)
		adapt_limit(s, bounds, sample, now);
	if (now != LOAD_NONE)
		s->cause = now;
	else if (s->cause != LOAD_NONE && is_relieved(s))
		s->cause = LOAD_NONE;
	return s->cause != before.cause || s->limit != before.limit;
}
