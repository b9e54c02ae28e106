// SPDX-License-Identifier: Apache-2.0
/* `make sim`: the traces through the policy, fluid beside one request per instance; and a day. */
#include <stdio.h>

#include "runtime/base/mem.h"
#include "tests/sim/sim.h"

static const struct sim_config fluid = {SIM_USUAL, .max = 64, .wait_us = 1000000};

static const struct sim_trace traces[] = {
	{"steady", 1800 * SIM_SECOND, sim_steady, 30, 30, 1},
	{"bursty", 1800 * SIM_SECOND, sim_bursty, 5, 200, 2},
	{"diurnal", 24 * SIM_HOUR, sim_diurnal, 0.5, 40, 3},
	{"on/off", 1800 * SIM_SECOND, sim_on_off, 0, 50, 4},
};

static int print(const struct sim_trace *trace, const struct sim_config *config, const char *how)
{
	struct sim_result r;
	double bill;

	if (sim_run(config, trace, &r) < 0)
		return 1;
	bill = sim_bill(config, &r);
	printf("%-8s %-6s %9lu %7lu %6lu %5u %6u %8.0f %8.0f %11.0f %9.0f %10.6f\n", trace->name,
	       how, (unsigned long)r.requests, (unsigned long)r.refused, (unsigned long)r.cold,
	       r.starts, r.most_queued, r.p50_ms, r.p99_ms,
	       (double)r.awake_us * config->memory_mb / 1024 / 1e6, (double)r.cpu_us / 1e6, bill);
	return 0;
}

int main(void)
{
	struct sim_config single = fluid;
	struct sim_result day;
	int failed = 0;

	single.concurrency = 1;
	single.automatic = false;
	printf("each request: 5 ms CPU, 1 s waiting; 512 MB, a quarter of a CPU, start 400 ms\n");
	printf("%-8s %-6s %9s %7s %6s %5s %6s %8s %8s %11s %9s %10s\n", "trace", "how", "requests",
	       "refused", "cold", "inst", "queued", "p50 ms", "p99 ms", "prov. GB-s", "CPU s", "$");
	for (size_t n = 0; n < ARRAY_LEN(traces); n++) {
		failed |= print(&traces[n], &fluid, "fluid");
		failed |= print(&traces[n], &single, "single");
	}
	if (failed || sim_day(&day) < 0)
		return 1;
	printf("a day of 20 services (1.4 an hour to 14 a second at noon): %lu requests, %u "
	       "instances "
	       "started, %.3f %% without a cold start (anchor 99.37 %%)\n",
	       (unsigned long)day.requests, day.starts,
	       100.0 * (double)(day.requests - day.cold) / (double)day.requests);
	return 0;
}
