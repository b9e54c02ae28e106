// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "runtime/base/price.h"
#include "runtime/gateway/route/choice.h"
#include "runtime/supervisor/decide/policy.h"
#include "runtime/supervisor/decide/saturation.h"

#define MACHINES_MAX 64u
#define OPEN_MAX     128u
#define WAITING_MAX  4096u
#define MS_MAX       120000u
#define GRACE_US     50000u
#define SAMPLE_US    (LOAD_SAMPLE_MS * 1000u)

struct job {
	uint64_t arrived_us, sent_us, until_us; /* until: waits, its CPU is used up */
	uint32_t cpu_left_us;
};

struct machine {
	uint64_t ready_us, idle_since_us, sampled_us;
	bool frozen;
	struct load_state load;
	uint32_t count, count_before;
	struct job open[OPEN_MAX];
	uint64_t cpu_us, latency_us; /* since the last sample */
	uint32_t answers;
};

struct waiting {
	uint64_t arrived_us;
};

struct sim {
	const struct sim_config *config;
	struct sim_result *result;
	uint64_t now_us, seed, half_us;
	uint32_t machine_count, learned, crowded;
	struct machine machines[MACHINES_MAX];
	uint32_t head, queued;
	struct waiting queue[WAITING_MAX];
	uint32_t by_ms[MS_MAX];
};

static double uniform(struct sim *s)
{
	uint64_t z = s->seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (double)((z ^ (z >> 31)) >> 11) / (double)(UINT64_C(1) << 53);
}

/* Poisson, by counting how many uniform numbers it takes. */
static uint32_t arrivals(struct sim *s, double rate)
{
	double limit = exp(-rate * SIM_STEP_US / 1e6), product = uniform(s);
	uint32_t n = 0;

	for (; product > limit; n++)
		product *= uniform(s);
	return n;
}

static bool is_ready(const struct sim *s, const struct machine *m)
{
	return m->ready_us <= s->now_us;
}

/* ---- the gateway's part ---- */

static struct machine *choose(struct sim *s)
{
	struct machine *best = NULL;
	uint32_t best_rank = 0;

	for (uint32_t n = 0; n < s->machine_count; n++) {
		struct machine *m = &s->machines[n];
		enum board_state state = m->frozen ? BOARD_FROZEN : BOARD_RUNNING;
		uint32_t rank = choice_rank(board_make(1, state, 0, m->count), 1, m->load.limit,
					    true, m->load.cause != LOAD_NONE);

		if (is_ready(s, m) && rank > best_rank) {
			best_rank = rank;
			best = m;
		}
	}
	return best;
}

static bool try_send(struct sim *s, uint64_t arrived_us)
{
	struct machine *m = choose(s);

	if (!m)
		return false;
	if (m->load.cause != LOAD_NONE)
		s->crowded++;
	if (m->frozen)
		m->sampled_us = s->now_us;
	m->frozen = false;
	m->open[m->count++] = (struct job){
		.arrived_us = arrived_us, .sent_us = s->now_us, .cpu_left_us = s->config->cpu_us};
	if (arrived_us < m->ready_us)
		s->result->cold++;
	return true;
}

static void arrive(struct sim *s)
{
	s->result->requests++;
	if (s->queued == 0 && try_send(s, s->now_us))
		return;
	if (s->queued >= s->config->queue_max) {
		s->result->refused++;
		return;
	}
	s->queue[(s->head + s->queued++) % WAITING_MAX] = (struct waiting){s->now_us};
	if (s->queued > s->result->most_queued)
		s->result->most_queued = s->queued;
}

static void serve_queue(struct sim *s)
{
	while (s->queued > 0) {
		uint64_t arrived_us = s->queue[s->head].arrived_us;

		if (s->now_us - arrived_us > s->config->queue_age_us)
			s->result->refused++;
		else if (!try_send(s, arrived_us))
			return;
		s->head = (s->head + 1) % WAITING_MAX;
		s->queued--;
	}
}

/* ---- the instances' part ---- */

static void finish(struct sim *s, struct machine *m, uint32_t at)
{
	uint64_t took_us = s->now_us - m->open[at].arrived_us;
	uint64_t ms = took_us / 1000 < MS_MAX ? took_us / 1000 : MS_MAX - 1;

	s->by_ms[ms]++;
	s->result->served++;
	m->latency_us += s->now_us - m->open[at].sent_us;
	m->answers++;
	m->open[at] = m->open[--m->count];
	m->idle_since_us = s->now_us;
}

/* The CPU time of the quota in this step, in equal parts for all takers. */
static void compute(struct sim *s, struct machine *m)
{
	uint64_t left_us = (uint64_t)SIM_STEP_US * s->config->cpu_milli / 1000, used_us = 0;
	uint32_t want = 1;

	while (want > 0 && left_us > used_us) {
		uint64_t share;

		want = 0;
		for (uint32_t n = 0; n < m->count; n++)
			want += m->open[n].cpu_left_us > 0;
		share = want ? (left_us - used_us + want - 1) / want : 0;
		for (uint32_t n = 0; n < m->count && used_us < left_us; n++) {
			struct job *j = &m->open[n];
			uint32_t part = j->cpu_left_us < share ? j->cpu_left_us : (uint32_t)share;

			if (part == 0)
				continue;
			used_us += part;
			j->cpu_left_us -= part;
			if (j->cpu_left_us == 0)
				j->until_us = s->now_us + s->config->wait_us;
		}
	}
	m->cpu_us += used_us;
	s->result->cpu_us += used_us;
}

static void sample(struct sim *s, struct machine *m)
{
	const struct load_bounds bounds = {.limit_max = s->config->concurrency,
					   .automatic = s->config->automatic};
	struct load_sample one = {
		.cpu_permille = (uint32_t)(m->cpu_us * 1000 /
					   ((uint64_t)SAMPLE_US * s->config->cpu_milli / 1000)),
		.answers = m->answers,
		.first_byte_us = m->answers ? (uint32_t)(m->latency_us / m->answers) : 0,
		.tickets = m->count > m->count_before ? m->count : m->count_before,
	};

	m->sampled_us = s->now_us;
	if (load_step(&m->load, &bounds, &one)) {
		s->result->turns_late += s->now_us > s->half_us;
		if (s->config->automatic)
			s->learned = m->load.limit;
	}
	m->count_before = m->count;
	m->cpu_us = m->latency_us = 0;
	m->answers = 0;
}

static void run_machine(struct sim *s, struct machine *m)
{
	if (m->frozen || !is_ready(s, m))
		return;
	if (m->count > 0) {
		s->result->awake_us += SIM_STEP_US;
		compute(s, m);
	}
	for (uint32_t n = m->count; n-- > 0;)
		if (m->open[n].cpu_left_us == 0 && m->open[n].until_us <= s->now_us)
			finish(s, m, n);
	if (s->now_us - m->sampled_us >= SAMPLE_US)
		sample(s, m);
	if (m->count == 0 && s->now_us - m->idle_since_us >= GRACE_US) {
		m->frozen = true;
		load_rest(&m->load);
	}
}

/* ---- the supervisor's part ---- */

static void start_one(struct sim *s)
{
	struct machine *m = &s->machines[s->machine_count++];

	*m = (struct machine){.ready_us = s->now_us + s->config->boot_us};
	m->idle_since_us = m->sampled_us = m->ready_us;
	m->load.limit = s->learned;
	s->result->starts++;
	s->result->starts_late += s->now_us > s->half_us;
	if (s->machine_count > s->result->most_instances)
		s->result->most_instances = s->machine_count;
}

static void scale(struct sim *s)
{
	struct policy_view view = {.queued = s->queued,
				   .min = s->config->min,
				   .max = s->config->max,
				   .concurrency = s->learned,
				   .crowded = s->crowded,
				   .host_room = MACHINES_MAX - s->machine_count,
				   .now_ns = s->now_us * 1000};
	struct policy_decision decision;

	for (uint32_t n = 0; n < s->machine_count; n++) {
		const struct machine *m = &s->machines[n];

		view.live += is_ready(s, m);
		view.starting += !is_ready(s, m);
		view.saturated += is_ready(s, m) && m->load.cause != LOAD_NONE;
	}
	decision = policy_decide(&view);
	s->crowded = 0;
	for (uint32_t n = 0; n < decision.start; n++)
		start_one(s);
}

/* ---- all of it ---- */

static bool is_busy(const struct sim *s)
{
	for (uint32_t n = 0; n < s->machine_count; n++)
		if (!s->machines[n].frozen)
			return true;
	return s->queued > 0;
}

static double quantile_ms(const struct sim *s, double q)
{
	uint64_t want = (uint64_t)((double)s->result->served * q), seen = 0;

	for (uint32_t ms = 0; ms < MS_MAX; ms++) {
		seen += s->by_ms[ms];
		if (seen > want)
			return ms;
	}
	return 0;
}

static void step(struct sim *s, const struct sim_trace *trace)
{
	uint32_t n = s->now_us < trace->length_us ? arrivals(s, trace->rate(trace, s->now_us)) : 0;

	while (n-- > 0)
		arrive(s);
	if (s->queued > 0 || s->crowded > 0 || s->machine_count < s->config->min)
		scale(s);
	for (uint32_t i = 0; i < s->machine_count; i++)
		run_machine(s, &s->machines[i]);
	serve_queue(s);
}

int sim_run(const struct sim_config *config, const struct sim_trace *trace,
	    struct sim_result *result)
{
	struct sim *s = calloc(1, sizeof(*s));
	uint64_t end_us = trace->length_us + 300 * SIM_SECOND;

	if (!s)
		return -ENOMEM;
	*result = (struct sim_result){0};
	s->config = config;
	s->result = result;
	s->seed = trace->seed;
	s->learned = config->concurrency;
	s->half_us = trace->length_us / 2;
	for (; s->now_us < trace->length_us || (s->now_us < end_us && is_busy(s));
	     s->now_us += SIM_STEP_US)
		step(s, trace);
	for (uint32_t n = 0; n < s->machine_count; n++)
		result->awake_at_end += !s->machines[n].frozen;
	result->p50_ms = quantile_ms(s, 0.5);
	result->p99_ms = quantile_ms(s, 0.99);
	free(s);
	return 0;
}

double sim_bill(const struct sim_config *config, const struct sim_result *result)
{
	const struct price price = {.cpu_hour_nano = 221000000, .gb_hour_nano = 18300000};
	const struct price_amounts amounts = {
		.active_cpu_us = result->cpu_us,
		.provisioned_mb_us = result->awake_us * config->memory_mb,
		.invocations = result->served,
	};
	struct price_lines lines;

	if (price_usage(&price, &amounts, &lines) < 0)
		return NAN;
	return (double)lines.total_nano / (double)PRICE_NANO;
}
