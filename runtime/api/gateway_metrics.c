// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/gateway_metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* The counters of one service number in all gateways together. */
struct sum {
	char name[SERVICE_NAME_SIZE]; /* "" = requests of no service */
	uint64_t counters[SERVICE_COUNTER_COUNT];
	uint64_t duration[STATS_BUCKETS], queue[STATS_BUCKETS];
	uint64_t requests;
};

struct view {
	size_t count;
	struct sum sums[SERVICES_MAX + 1];
};

/* The counters of a family, and their labels. */
static const struct member {
	const char *family, *label, *value;
	enum service_counter counter;
} members[] = {
	{"ebb_requests_total", "status", "1xx", SERVICE_status_1xx},
	{"ebb_requests_total", "status", "2xx", SERVICE_status_2xx},
	{"ebb_requests_total", "status", "3xx", SERVICE_status_3xx},
	{"ebb_requests_total", "status", "4xx", SERVICE_status_4xx},
	{"ebb_requests_total", "status", "5xx", SERVICE_status_5xx},
	{"ebb_requests_total", "status", "aborted", SERVICE_aborted},
	{"ebb_request_errors_total", "kind", "bad_request", SERVICE_error_bad_request},
	{"ebb_request_errors_total", "kind", "overloaded", SERVICE_error_overloaded},
	{"ebb_request_errors_total", "kind", "instance_crashed", SERVICE_error_crashed},
	{"ebb_request_errors_total", "kind", "bad_response", SERVICE_error_bad_response},
	{"ebb_request_errors_total", "kind", "max_duration", SERVICE_error_max_duration},
	{"ebb_request_errors_total", "kind", "other", SERVICE_error_other},
	{"ebb_request_starts_total", "start", "cold", SERVICE_start_cold},
	{"ebb_request_starts_total", "start", "thaw", SERVICE_start_thaw},
	{"ebb_request_starts_total", "start", "warm", SERVICE_start_warm},
	{"ebb_request_choices_total", "chosen", "only", SERVICE_chosen_only},
	{"ebb_request_choices_total", "chosen", "fullest", SERVICE_chosen_fullest},
	{"ebb_request_choices_total", "chosen", "woken", SERVICE_chosen_woken},
	{"ebb_request_choices_total", "chosen", "saturated", SERVICE_chosen_saturated},
	{"ebb_request_choices_total", "chosen", "older", SERVICE_chosen_older},
	{"ebb_request_upstreams_total", "upstream", "h2c", SERVICE_upstream_h2c},
	{"ebb_request_body_bytes_total", "direction", "in", SERVICE_bytes_in},
	{"ebb_request_body_bytes_total", "direction", "out", SERVICE_bytes_out},
};

static const struct {
	const char *family, *help;
} families[] = {
	{"ebb_requests_total", "Requests that are over, by class of the answer."},
	{"ebb_request_errors_total", "Answers made by ebb, by kind."},
	{"ebb_request_starts_total", "Requests by how they found their instance."},
	{"ebb_request_choices_total", "Requests by why their instance was chosen."},
	{"ebb_request_upstreams_total", "Requests that an instance got over HTTP/2."},
	{"ebb_request_body_bytes_total", "Bytes of bodies, without framing."},
};

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)counter, memory_order_relaxed);
}

static struct sum *find(struct view *v, const char *name)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->sums[i].name, name) == 0)
			return &v->sums[i];
	if (v->count == ARRAY_LEN(v->sums))
		return NULL;
	(void)text_copy(v->sums[v->count].name, sizeof(v->sums[0].name), name);
	return &v->sums[v->count++];
}

static void add_row(struct view *v, const struct service_stats *row, const char *name)
{
	struct sum *s = find(v, name);

	for (uint32_t i = 0; s && i < SERVICE_COUNTER_COUNT; i++)
		s->counters[i] += read_counter(&row->counters[i]);
	for (uint32_t i = 0; s && i < STATS_BUCKETS; i++) {
		uint64_t n = read_counter(&row->duration[i]);

		s->duration[i] += n;
		s->requests += n;
		s->queue[i] += read_counter(&row->queue[i]);
	}
}

/* A gateway writes the name while we read it: only a copy that is a name counts. */
static void add_rows(struct view *v, const struct stats *stats)
{
	for (uint32_t i = 0; i < SERVICES_MAX; i++) {
		char name[SERVICE_NAME_SIZE];

		memcpy(name, stats->services[i].name, sizeof(name));
		if (text_terminated(name, sizeof(name)) && text_is_label(name))
			add_row(v, &stats->services[i], name);
	}
	add_row(v, &stats->services[STATS_NO_SERVICE], "");
}

static int write_members(const struct view *v, const char *family, struct buffer *out)
{
	int r = 0;

	for (size_t s = 0; s < v->count; s++)
		for (size_t m = 0; m < ARRAY_LEN(members) && r == 0; m++)
			if (strcmp(members[m].family, family) == 0)
				r = buffer_printf(out, "%s{service=\"%s\",%s=\"%s\"} %" PRIu64 "\n",
						  family, v->sums[s].name, members[m].label,
						  members[m].value,
						  v->sums[s].counters[members[m].counter]);
	return r;
}

static int write_seconds(struct buffer *out, uint64_t us)
{
	return buffer_printf(out, "%" PRIu64 ".%06" PRIu64, us / US_PER_SEC, us % US_PER_SEC);
}

static int write_histogram(struct buffer *out, const char *family, const char *service,
			   const uint64_t buckets[STATS_BUCKETS], uint64_t sum_us)
{
	uint64_t so_far = 0;
	int r = 0;

	for (uint32_t i = 0; i < STATS_BUCKETS && r == 0; i++) {
		so_far += buckets[i];
		r = buffer_printf(out, "%s_bucket{service=\"%s\",le=\"", family, service);
		if (r == 0)
			r = i + 1 < STATS_BUCKETS ? write_seconds(out, stats_bound_us(i))
						  : buffer_printf(out, "+Inf");
		if (r == 0)
			r = buffer_printf(out, "\"} %" PRIu64 "\n", so_far);
	}
	if (r == 0)
		r = buffer_printf(out, "%s_sum{service=\"%s\"} ", family, service);
	if (r == 0)
		r = write_seconds(out, sum_us);
	return r ? r
		 : buffer_printf(out, "\n%s_count{service=\"%s\"} %" PRIu64 "\n", family, service,
				 so_far);
}

static int write_head(struct buffer *out, const char *family, const char *type, const char *help)
{
	return buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

static int write_histograms(const struct view *v, struct buffer *out)
{
	static const char duration[] = "ebb_request_duration_seconds";
	static const char queue[] = "ebb_request_queue_seconds";
	int r = write_head(out, duration, "histogram",
			   "From its arrival to the end of the answer.");

	for (size_t i = 0; i < v->count && r == 0; i++)
		r = write_histogram(out, duration, v->sums[i].name, v->sums[i].duration,
				    v->sums[i].counters[SERVICE_duration_us]);
	if (r == 0)
		r = write_head(out, queue, "histogram", "Until it was sent to an instance.");
	for (size_t i = 0; i < v->count && r == 0; i++)
		r = write_histogram(out, queue, v->sums[i].name, v->sums[i].queue,
				    v->sums[i].counters[SERVICE_queue_us]);
	return r;
}

/* Sums without a histogram of their own. */
static int write_sums(const struct view *v, struct buffer *out)
{
	static const struct {
		const char *family, *help;
		enum service_counter counter;
	} sums[] = {
		{"ebb_request_thaw_seconds_total", "Time spent writing cgroup.freeze.",
		 SERVICE_thaw_us},
		{"ebb_request_first_byte_seconds_total",
		 "From arrivals to the first bytes of answers.", SERVICE_first_byte_us},
	};
	int r = 0;

	for (size_t f = 0; f < ARRAY_LEN(sums) && r == 0; f++) {
		r = write_head(out, sums[f].family, "counter", sums[f].help);
		for (size_t i = 0; i < v->count && r == 0; i++) {
			r = buffer_printf(out, "%s{service=\"%s\"} ", sums[f].family,
					  v->sums[i].name);
			if (r == 0)
				r = write_seconds(out, v->sums[i].counters[sums[f].counter]);
			if (r == 0)
				r = buffer_add(out, "\n", 1);
		}
	}
	return r;
}

int gateway_metrics_write(const struct stats *const *stats, size_t count, struct buffer *out)
{
	SCOPED_MEM struct view *v = calloc(1, sizeof(*v));
	int r = v ? 0 : -ENOMEM;

	for (size_t i = 0; v && i < count; i++)
		add_rows(v, stats[i]);
	for (size_t f = 0; f < ARRAY_LEN(families) && r == 0; f++) {
		r = write_head(out, families[f].family, "counter", families[f].help);
		if (r == 0)
			r = write_members(v, families[f].family, out);
	}
	if (r == 0)
		r = write_histograms(v, out);
	return r ? r : write_sums(v, out);
}
