// SPDX-License-Identifier: Apache-2.0
/* FOCUS 1.2 (FinOps Open Cost and Usage Specification): five charges per service and hour. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/usage_formats.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

/* The charges. A pricing unit is consumed_per_unit consumed units. */
static const struct charge {
	const char *description, *category, *pricing_unit, *consumed_unit;
	size_t consumed_offset, cost_offset;
	uint64_t consumed_per_unit;
} charges[] = {
	{"Active CPU", "Compute", "CPU-Hours", "CPU-Microseconds",
	 offsetof(struct wire_usage_row, active_cpu_us), offsetof(struct price_lines, cpu_nano),
	 3600 * US_PER_SEC},
	{"Provisioned memory", "Compute", "GB-Hours", "MB-Microseconds",
	 offsetof(struct wire_usage_row, provisioned_mb_us),
	 offsetof(struct price_lines, memory_nano), 1024 * 3600 * US_PER_SEC},
	{"Invocations", "Compute", "Requests", "Requests",
	 offsetof(struct wire_usage_row, invocations),
	 offsetof(struct price_lines, invocations_nano), 1},
	{"Bytes sent", "Networking", "GB", "Bytes", offsetof(struct wire_usage_row, net_out_bytes),
	 offsetof(struct price_lines, out_nano), PRICE_BYTES_PER_GB},
	{"Bytes received", "Networking", "GB", "Bytes",
	 offsetof(struct wire_usage_row, net_in_bytes), offsetof(struct price_lines, in_nano),
	 PRICE_BYTES_PER_GB},
};

static const char header[] =
	"BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,"
	"BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,"
	"ChargePeriodStart,ConsumedQuantity,ConsumedUnit,ContractedCost,EffectiveCost,"
	"InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,PublisherName,"
	"ResourceId,ServiceCategory,ServiceName\r\n";

/* The periods of a row, as FOCUS writes dates. */
struct periods {
	char start[28], end[28], month[28], next_month[28];
};

static void cut_date(uint64_t us, char out[28])
{
	clock_rfc3339(us, out);
	memcpy(out + 19, "Z", 2);
}

static void make_periods(const struct wire_usage_row *row, struct periods *p)
{
	unsigned long year, month;

	cut_date(row->from_us, p->start);
	cut_date(row->to_us, p->end);
	year = strtoul(p->start, NULL, 10) % 10000;
	month = strtoul(p->start + 5, NULL, 10) % 13;
	snprintf(p->month, sizeof(p->month), "%04lu-%02lu-01T00:00:00Z", year, month);
	year += month == 12;
	month = month == 12 ? 1 : month + 1;
	snprintf(p->next_month, sizeof(p->next_month), "%04lu-%02lu-01T00:00:00Z", year, month);
}

static uint64_t number_at(const void *structure, size_t offset)
{
	uint64_t n;

	memcpy(&n, (const char *)structure + offset, sizeof(n));
	return n;
}

/* The quantity in billionths of a pricing unit, rounded; ConsumedQuantity has the exact figure. */
static uint64_t quantity_nano(uint64_t consumed, uint64_t per)
{
	return (uint64_t)(((unsigned __int128)consumed * PRICE_NANO + per / 2) / per);
}

static int write_charge(struct buffer *out, const struct usage_report *report,
			const struct wire_usage_row *row, const struct price_lines *lines,
			const struct charge *charge)
{
	uint64_t consumed = number_at(row, charge->consumed_offset);
	char cost[PRICE_TEXT_SIZE], quantity[PRICE_TEXT_SIZE];
	struct periods p;

	make_periods(row, &p);
	price_text(number_at(lines, charge->cost_offset), 9, cost);
	price_text(quantity_nano(consumed, charge->consumed_per_unit), 9, quantity);
	return buffer_printf(out,
			     "%s,\"%s\",\"%s\",%s,%s,%s,Usage,,%s,%s,%s,%" PRIu64
			     ",%s,%s,%s,ebb,%s,%s,%s,ebb,ebb,\"%s\",%s,ebb\r\n",
			     cost, report->node, report->node, report->prices.currency,
			     p.next_month, p.month, charge->description, p.end, p.start, consumed,
			     charge->consumed_unit, cost, cost, cost, quantity,
			     charge->pricing_unit, row->service, charge->category);
}

static int write_row(struct buffer *out, const struct usage_report *report,
		     const struct wire_usage_row *row)
{
	struct price_lines lines;
	const struct price_amounts amounts = {
		.active_cpu_us = row->active_cpu_us,
		.provisioned_mb_us = row->provisioned_mb_us,
		.invocations = row->invocations,
		.net_out_bytes = row->net_out_bytes,
		.net_in_bytes = row->net_in_bytes,
	};
	int r = price_usage(&report->prices.price, &amounts, &lines);

	for (size_t i = 0; i < ARRAY_LEN(charges) && r == 0; i++)
		r = write_charge(out, report, row, &lines, &charges[i]);
	return r;
}

int usage_write_focus(struct buffer *out, const struct usage_report *report)
{
	int r = buffer_add(out, header, sizeof(header) - 1);

	for (size_t i = 0; i < report->count && r == 0; i++)
		r = write_row(out, report, &report->rows[i]);
	return r;
}
