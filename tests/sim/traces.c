// SPDX-License-Identifier: Apache-2.0
/* Arrival rates over time, and the day. */
#include <math.h>

#include "tests/sim/sim.h"

double sim_steady(const struct sim_trace *t, uint64_t now_us)
{
	return t->base;
}

/* For one second of each minute the peak. */
double sim_bursty(const struct sim_trace *t, uint64_t now_us)
{
	return now_us / SIM_SECOND % 60 == 30 ? t->peak : t->base;
}

/* Night at 0 h, noon in the middle. */
double sim_diurnal(const struct sim_trace *t, uint64_t now_us)
{
	double phase = (double)(now_us % (24 * SIM_HOUR)) / (double)(24 * SIM_HOUR);

	return t->base + (t->peak - t->base) * (1 - cos(2 * M_PI * phase)) / 2;
}

/* A minute on, two off. */
double sim_on_off(const struct sim_trace *t, uint64_t now_us)
{
	return now_us / SIM_SECOND % 180 < 60 ? t->peak : 0;
}

static void add(struct sim_result *sum, const struct sim_result *one)
{
	sum->requests += one->requests;
	sum->served += one->served;
	sum->refused += one->refused;
	sum->cold += one->cold;
	sum->starts += one->starts;
	sum->awake_us += one->awake_us;
	sum->cpu_us += one->cpu_us;
	sum->awake_at_end += one->awake_at_end;
}

/* Services from 1.4 requests an hour to 14 a second at noon; each is deployed once, at midnight. */
int sim_day(struct sim_result *result)
{
	const struct sim_config config = {SIM_USUAL, .max = 10, .wait_us = 100000};
	struct sim_result one;
	double peak = 0.0004;

	*result = (struct sim_result){0};
	for (uint64_t n = 0; n < 20; n++, peak *= 1.74) {
		struct sim_trace trace = {.name = "day",
					  .length_us = 24 * SIM_HOUR,
					  .rate = sim_diurnal,
					  .base = peak / 20,
					  .peak = peak,
					  .seed = n + 1};
		int r = sim_run(&config, &trace, &one);

		if (r < 0)
			return r;
		add(result, &one);
	}
	return 0;
}
