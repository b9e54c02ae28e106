// SPDX-License-Identifier: Apache-2.0
/* GET /metrics: Prometheus text format 0.0.4, from the answers of ebbd and ebb-ledger at this
 * moment. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/buffer.h"
#include "runtime/api/gateway_files.h"
#include "runtime/api/gather.h"
#include "runtime/api/handlers.h"
#include "runtime/api/images.h"
#include "runtime/api/log_totals.h"
#include "runtime/api/logs.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/api/schedules.h"
#include "runtime/api/services.h"
#include "runtime/api/usage_formats.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

#define TYPE         "text/plain; version=0.0.4; charset=utf-8"
#define INFO(member) offsetof(struct wire_instance_info, member)

static const struct series {
	const char *name, *type, *help;
	size_t offset, size;
	bool micro;
} series[] = {
	{"ebb_instance_cpu_seconds_total", "counter", "CPU time used.", INFO(cpu_us), 8, true},
	{"ebb_instance_awake_seconds_total", "counter", "Time with open work.", INFO(awake_us), 8,
	 true},
	{"ebb_instance_background_seconds_total", "counter",
	 "Time awake by its own doing, without open work.", INFO(background_us), 8, true},
	{"ebb_instance_look_seconds_total", "counter",
	 "Time that looking what it waits for took ebbd.", INFO(look_us), 8, true},
	{"ebb_instance_frozen_seconds_total", "counter", "Time frozen.", INFO(frozen_us), 8, true},
	{"ebb_instance_invocations_total", "counter", "Requests.", INFO(invocations), 8, false},
	{"ebb_instance_freezes_total", "counter", "Times frozen.", INFO(freezes), 8, false},
	{"ebb_instance_thaws_total", "counter", "Times thawed.", INFO(thaws), 8, false},
	{"ebb_instance_memory_bytes", "gauge", "Memory in use.", INFO(memory_bytes), 8, false},
	{"ebb_instance_tickets", "gauge", "Requests in progress.", INFO(tickets), 4, false},
	{"ebb_instance_holds", "gauge", "Work that outlives its response.", INFO(holds), 4, false},
	{"ebb_instance_ipc_messages_total", "counter", "Messages its program said.",
	 INFO(ipc_messages), 8, false},
	{"ebb_instance_ipc_refused_total", "counter", "Connections closed for what they sent.",
	 INFO(ipc_refused), 8, false},
	{"ebb_instance_ipc_work_seconds_total", "counter", "CPU time that hearing it took ebb-ipc.",
	 INFO(ipc_work_us), 8, true},
	{"ebb_instance_ipc_pauses_total", "counter", "Times it was not heard because of that.",
	 INFO(ipc_paused), 8, false},
	{"ebb_instance_holds_cut_total", "counter", "Background work cut at its deadline.",
	 INFO(holds_cut), 8, false},
	{"ebb_instance_log_lines_lost_total", "counter", "Log messages its full pipe did not take.",
	 INFO(log_lines_lost), 8, false},
	{"ebb_instance_egress_refused_total", "counter",
	 "Attempts against its network policy that were told.", INFO(egress_refused), 8, false},
	{"ebb_instance_net_out_bytes_total", "counter", "Bytes of IP packets that it sent.",
	 INFO(net_out_bytes), 8, false},
	{"ebb_instance_net_in_bytes_total", "counter", "Bytes of IP packets that came to it.",
	 INFO(net_in_bytes), 8, false},
	{"ebb_instance_net_connections_total", "counter", "Connections that it made.",
	 INFO(net_connections), 8, false},
	{"ebb_instance_wakes_total", "counter", "Thaws for data from the network.", INFO(wakes), 8,
	 false},
	{"ebb_instance_wakes_late_total", "counter", "Those that had to wait for their turn.",
	 INFO(wakes_late), 8, false},
	{"ebb_instance_wake_seconds_total", "counter", "Time from such a thaw until it was quiet.",
	 INFO(wake_us), 8, true},
	{"ebb_instance_state", "gauge", "0 starting, 1 running, 2 frozen, 3 draining.", INFO(state),
	 4, false},
};

static uint64_t number_at(const struct wire_instance_info *info, const struct series *s)
{
	uint32_t small;
	uint64_t large;

	if (s->size == sizeof(small)) {
		memcpy(&small, (const char *)info + s->offset, sizeof(small));
		return small;
	}
	memcpy(&large, (const char *)info + s->offset, sizeof(large));
	return large;
}

static int write_series(struct buffer *out, const struct series *s, const struct answer *answer)
{
	const struct wire_instance_info *infos = answer->records;
	int r = buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help, s->name,
			      s->type);

	for (size_t i = 0; i < answer->count && r == 0; i++) {
		uint64_t n = number_at(&infos[i], s);

		r = buffer_printf(out, "%s{service=\"%s\",instance=\"%s\"} %" PRIu64, s->name,
				  infos[i].service, infos[i].id, s->micro ? n / US_PER_SEC : n);
		if (r == 0 && s->micro)
			r = buffer_printf(out, ".%06" PRIu64, n % US_PER_SEC);
		if (r == 0)
			r = buffer_add(out, "\n", 1);
	}
	return r;
}

static int write_node(struct buffer *out, struct api *api)
{
	return buffer_printf(out,
			     "# HELP ebb_info What runs here.\n# TYPE ebb_info gauge\n"
			     "ebb_info{version=\"" EBB_VERSION "\"} 1\n"
			     "# HELP ebb_services Services deployed.\n# TYPE ebb_services gauge\n"
			     "ebb_services %zu\n"
			     "# HELP ebb_images Images in the store.\n# TYPE ebb_images gauge\n"
			     "ebb_images %zu\n",
			     services_count(api->services), images_count(api->images));
}

static int write_ledger_up(struct buffer *out, int up)
{
	return buffer_printf(out,
			     "# HELP ebb_ledger_up Whether the ledger answers and can write.\n"
			     "# TYPE ebb_ledger_up gauge\nebb_ledger_up %d\n",
			     up);
}

/* The watchdog of ebbd's loop. */
static int write_health(struct buffer *out, const struct wire_instance_info *h)
{
	const struct {
		const char *name, *type, *help;
		uint64_t n;
		bool micro;
	} rows[] = {
		{"ebb_loop_stalls_total", "counter", "Handlers of ebbd that used 50 ms of CPU.",
		 h->stalls, false},
		{"ebb_loop_delays_total", "counter", "Handlers of ebbd that took 50 ms.", h->delays,
		 false},
		{"ebb_loop_longest_cpu_seconds", "gauge", "Most CPU time of one handler of ebbd.",
		 h->longest_handler_cpu_us, true},
		{"ebb_loop_longest_seconds", "gauge", "Longest time of one handler of ebbd.",
		 h->longest_handler_us, true},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows) && r == 0; i++) {
		uint64_t n = rows[i].n, whole = rows[i].micro ? n / US_PER_SEC : n;

		r = buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64, rows[i].name,
				  rows[i].help, rows[i].name, rows[i].type, rows[i].name, whole);
		if (r == 0 && rows[i].micro)
			r = buffer_printf(out, ".%06" PRIu64, n % US_PER_SEC);
		if (r == 0)
			r = buffer_add(out, "\n", 1);
	}
	return r;
}

struct scrape {
	struct buffer out;
};

static void scrape_free(struct scrape *scrape)
{
	buffer_fini(&scrape->out);
	free(scrape);
}

/* While ebb-ledger is away only its own figures are missing. */
static void on_usage(struct api *api, struct request *rq, void *ctx, const struct answer *answer)
{
	struct scrape *scrape = ctx;
	struct usage_report report = {.rows = answer->records, .count = answer->count};
	int r = write_ledger_up(&scrape->out, answer->err == 0 && !(api->ill & WIRE_ILL_LEDGER));

	if (r == 0 && !answer->err)
		r = usage_format_find("prometheus")->write(&scrape->out, &report);
	if (rq && r < 0)
		problem_reply(rq, 503, NULL, "out of memory");
	else if (rq)
		reply_bytes(rq, 200, TYPE, NULL, buffer_at(&scrape->out), scrape->out.size);
	scrape_free(scrape);
}

static void on_instances(struct api *api, struct request *rq, void *ctx,
			 const struct answer *answer)
{
	struct wire_usage_get all = {.to_us = INT64_MAX}; /* also readings dated ahead */
	struct scrape *scrape = ctx;
	int r;

	if (answer->err || !rq) {
		problem_reply_answer(rq, "list the instances", answer);
		scrape_free(scrape);
		return;
	}
	r = write_node(&scrape->out, api);
	if (r == 0)
		r = write_health(&scrape->out, &api->health);
	if (r == 0)
		r = gateway_files_metrics(api->gateways, &scrape->out);
	if (r == 0)
		r = schedules_metrics(api, &scrape->out);
	if (r == 0)
		r = log_totals_write(logs_totals(api->logs), &scrape->out);
	for (size_t i = 0; i < ARRAY_LEN(series) && r == 0; i++)
		r = write_series(&scrape->out, &series[i], answer);
	if (r == 0) {
		gather_usage(api, rq, &all, on_usage, scrape);
		return;
	}
	problem_reply(rq, 503, NULL, "out of memory");
	scrape_free(scrape);
}

void get_metrics(struct request *rq)
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));

	if (scrape)
		gather_instances(rq->api, rq, on_instances, scrape);
	else
		problem_reply(rq, 503, NULL, "out of memory");
}
