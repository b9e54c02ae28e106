// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/usage_formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define HOUR_US (UINT64_C(3600) * US_PER_SEC)

static int take_json(struct buffer *out, struct json_out *o)
{
	int r = o->failed ? -ENOMEM : buffer_add(out, o->text, o->length);

	json_out_fini(o);
	return r;
}

/* Writes the counters under the names that every format shares. MB x ms, as users know it, stands
 * beside the exact MB x us. */
static void write_counters(struct json_out *o, const struct wire_usage_row *row)
{
	json_out_u64(o, "invocations", row->invocations);
	json_out_u64(o, "active_cpu_us", row->active_cpu_us);
	json_out_u64(o, "provisioned_mb_ms", row->provisioned_mb_us / 1000);
	json_out_u64(o, "provisioned_mb_us", row->provisioned_mb_us);
	json_out_u64(o, "awake_us", row->awake_us);
	json_out_u64(o, "frozen_us", row->frozen_us);
	json_out_u64(o, "net_out_bytes", row->net_out_bytes);
	json_out_u64(o, "net_in_bytes", row->net_in_bytes);
	json_out_u64(o, "net_connections", row->net_connections);
	json_out_u64(o, "wakes", row->wakes);
	json_out_u64(o, "wake_us", row->wake_us);
	json_out_u64(o, "instances", row->instances);
}

static void add_row(struct wire_usage_row *total, const struct wire_usage_row *row)
{
	total->invocations += row->invocations;
	total->active_cpu_us += row->active_cpu_us;
	total->provisioned_mb_us += row->provisioned_mb_us;
	total->awake_us += row->awake_us;
	total->frozen_us += row->frozen_us;
	total->net_out_bytes += row->net_out_bytes;
	total->net_in_bytes += row->net_in_bytes;
	total->net_connections += row->net_connections;
	total->wakes += row->wakes;
	total->wake_us += row->wake_us;
	total->instances += row->instances;
}

static int write_json(struct buffer *out, const struct usage_report *report)
{
	struct wire_usage_row total = {0};
	struct json_out o;
	char when[28];

	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "from", clock_rfc3339(report->from_us, when));
	json_out_string(&o, "to", clock_rfc3339(report->to_us, when));
	json_out_array(&o, "services");
	for (size_t i = 0; i < report->count; i++) {
		json_out_object(&o, NULL);
		json_out_string(&o, "service", report->rows[i].service);
		write_counters(&o, &report->rows[i]);
		json_out_end_object(&o);
		add_row(&total, &report->rows[i]);
	}
	json_out_end_array(&o);
	json_out_object(&o, "total");
	write_counters(&o, &total);
	json_out_end_object(&o);
	json_out_end_object(&o);
	return take_json(out, &o);
}

/* The id is made from the subject of the event, so a receiver can tell that it has the event
 * already. */
static void write_event(struct json_out *o, const struct usage_report *report,
			const struct wire_usage_row *row)
{
	char text[SERVICE_NAME_SIZE + HOST_NAME_SIZE + 64], when[28];

	json_out_object(o, NULL);
	json_out_string(o, "specversion", "1.0");
	(void)text_format(text, sizeof(text), "%s/%" PRIu64 "-%" PRIu64, row->service, row->from_us,
			  row->to_us);
	json_out_string(o, "id", text);
	(void)text_format(text, sizeof(text), "/ebb/%s", report->node);
	json_out_string(o, "source", text);
	json_out_string(o, "type", "ebb.usage.v1");
	json_out_string(o, "subject", row->service);
	json_out_string(o, "time", clock_rfc3339(row->to_us, when));
	json_out_string(o, "datacontenttype", "application/json");
	json_out_object(o, "data");
	json_out_string(o, "service", row->service);
	json_out_string(o, "from", clock_rfc3339(row->from_us, when));
	json_out_string(o, "to", clock_rfc3339(row->to_us, when));
	write_counters(o, row);
	json_out_end_object(o);
	json_out_end_object(o);
}

static int write_cloudevents(struct buffer *out, const struct usage_report *report)
{
	struct json_out o;

	json_out_init(&o);
	json_out_array(&o, NULL);
	for (size_t i = 0; i < report->count; i++)
		write_event(&o, report, &report->rows[i]);
	json_out_end_array(&o);
	return take_json(out, &o);
}

/* ---- Prometheus ---- */

static const struct series {
	const char *name, *help;
	size_t offset;
	bool micro; /* shown in units of 1e6, exactly */
} series[] = {
	{"ebb_invocations_total", "Requests handled, failed ones too.",
	 offsetof(struct wire_usage_row, invocations), false},
	{"ebb_active_cpu_seconds_total", "CPU time used.",
	 offsetof(struct wire_usage_row, active_cpu_us), true},
	{"ebb_provisioned_mb_seconds_total", "Configured memory times awake time.",
	 offsetof(struct wire_usage_row, provisioned_mb_us), true},
	{"ebb_awake_seconds_total", "Time from first arrival to last answer.",
	 offsetof(struct wire_usage_row, awake_us), true},
	{"ebb_frozen_seconds_total", "Time frozen, which costs nothing.",
	 offsetof(struct wire_usage_row, frozen_us), true},
	{"ebb_net_out_bytes_total", "Bytes of IP packets that instances sent.",
	 offsetof(struct wire_usage_row, net_out_bytes), false},
	{"ebb_net_in_bytes_total", "Bytes of IP packets that came to instances.",
	 offsetof(struct wire_usage_row, net_in_bytes), false},
	{"ebb_net_connections_total", "Connections that instances made.",
	 offsetof(struct wire_usage_row, net_connections), false},
	{"ebb_wakes_total", "Thaws for data from the network.",
	 offsetof(struct wire_usage_row, wakes), false},
	{"ebb_wake_seconds_total", "The part of awake time from such a thaw until it was quiet.",
	 offsetof(struct wire_usage_row, wake_us), true},
};

static int write_series(struct buffer *out, const struct series *s,
			const struct usage_report *report)
{
	int r = buffer_printf(out, "# HELP %s %s\n# TYPE %s counter\n", s->name, s->help, s->name);

	for (size_t i = 0; i < report->count && r == 0; i++) {
		const struct wire_usage_row *row = &report->rows[i];
		uint64_t n;

		memcpy(&n, (const char *)row + s->offset, sizeof(n));
		r = buffer_printf(out, "%s{service=\"%s\"} %" PRIu64, s->name, row->service,
				  s->micro ? n / US_PER_SEC : n);
		if (r == 0 && s->micro)
			r = buffer_printf(out, ".%06" PRIu64, n % US_PER_SEC);
		if (r == 0)
			r = buffer_add(out, "\n", 1);
	}
	return r;
}

static int write_prometheus(struct buffer *out, const struct usage_report *report)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(series) && r == 0; i++)
		r = write_series(out, &series[i], report);
	return r;
}

const struct usage_format usage_formats[] = {
	{"json", "application/json", 0, false, write_json},
	{"cloudevents", "application/cloudevents-batch+json", HOUR_US, true, write_cloudevents},
	{"focus", "text/csv; charset=utf-8", HOUR_US, false, usage_write_focus},
	{"prometheus", "text/plain; version=0.0.4; charset=utf-8", 0, false, write_prometheus},
	{NULL},
};

const struct usage_format *usage_format_find(const char *name)
{
	for (const struct usage_format *f = usage_formats; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}
