/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service in simulated time, in steps of 10 ms: the arrivals of a trace meet the same object
 * files that decide in ebbd and ebb-gateway (policy, saturation, choice_rank). The model has CPU
 * shared within a quota, waiting, cold starts, freezing, and one queue with limits on length and
 * age. It lacks the host, other services, and thaw times, which are shorter than a step.
 */
#ifndef EBB_TESTS_SIM_H
#define EBB_TESTS_SIM_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_STEP_US 10000u
#define SIM_SECOND  UINT64_C(1000000)
#define SIM_HOUR    (3600 * SIM_SECOND)

struct sim_config {
	uint32_t min, max, concurrency;
	bool automatic;
	uint32_t cpu_milli, memory_mb;
	uint32_t boot_us;         /* from the decision to the first request taken */
	uint32_t cpu_us, wait_us; /* of a request */
	uint32_t queue_max;
	uint64_t queue_age_us;
};

/* The usual service of a trace: 512 MB and a quarter of a CPU, ready after 0.4 s, with 5 ms of CPU
 * for each request. */
#define SIM_USUAL                                                                  \
	.concurrency = 100, .automatic = true, .cpu_milli = 250, .memory_mb = 512, \
	.boot_us = 400000, .cpu_us = 5000, .queue_max = 1024, .queue_age_us = 30 * SIM_SECOND

struct sim_trace {
	const char *name;
	uint64_t length_us; /* of arrivals; the run ends when all requests are done */
	double (*rate)(const struct sim_trace *t, uint64_t now_us); /* requests per second */
	double base, peak;
	uint64_t seed;
};

struct sim_result {
	uint64_t requests, served, refused, cold; /* cold: waited for a start */
	uint32_t starts, most_instances, most_queued;
	uint32_t starts_late; /* in the second half */
	uint32_t turns_late;  /* saturated <-> not, and limit changes, in the second half */
	uint32_t awake_at_end;
	uint64_t awake_us, cpu_us; /* provisioned time of all instances; Active CPU */
	double p50_ms, p99_ms;
};

double sim_steady(const struct sim_trace *t, uint64_t now_us);
double sim_bursty(const struct sim_trace *t, uint64_t now_us);
double sim_diurnal(const struct sim_trace *t, uint64_t now_us);
double sim_on_off(const struct sim_trace *t, uint64_t now_us);

/* 0 or -ENOMEM. */
int sim_run(const struct sim_config *config, const struct sim_trace *trace,
	    struct sim_result *result);
/* Dollars at the rates of docs/internals/metering.md. */
double sim_bill(const struct sim_config *config, const struct sim_result *result);
/* Twenty services of very different traffic over a day, all together. */
int sim_day(struct sim_result *result);

#endif
