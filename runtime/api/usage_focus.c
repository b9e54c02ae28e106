// SPDX-License-Identifier: Apache-2.0
/* FOCUS 1.2 (FinOps Open Cost and Usage Specification): three charges per service and hour. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/usage_formats.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define MILLION UINT64_C(1000000)

typedef unsigned __int128 pico; /* 1e-12; 64 bits would overflow in a day of a busy host */

int usage_price_parse(const char *text, uint64_t *out)
{
	const char *point = strchr(text, '.');
	size_t whole = point ? (size_t)(point - text) : strlen(text);
	size_t digits = point ? strlen(point + 1) : 0;
	char number[24];
	uint64_t value;

	if (whole == 0 || whole > 9 || digits > 6 || (point && digits == 0))
		return -EINVAL;
	snprintf(number, sizeof(number), "%.*s%s%.*s", (int)whole, text, point ? point + 1 : "",
		 (int)(6 - digits), "000000");
	if (text_parse_u64(number, 0, UINT64_MAX, &value) < 0)
		return -EINVAL;
	*out = value;
	return 0;
}

/* n / d, to the nearest. */
static pico divide(pico n, pico d)
{
	return (n + d / 2) / d;
}

/* us x price x 1e-6 / 3.6e9 us per hour, in 1e-12. */
pico usage_cost_cpu(uint64_t cpu_us, uint64_t price)
{
	return divide((pico)cpu_us * price, 3600);
}

pico usage_cost_memory(uint64_t mb_us, uint64_t price)
{
	return divide((pico)mb_us * price, (pico)3600 * 1024);
}

pico usage_cost_invocations(uint64_t count, uint64_t price)
{
	return (pico)count * price;
}

const char *usage_decimal(pico value, char *buf, size_t size)
{
	const pico one = (pico)MILLION * MILLION;

	(void)text_format(buf, size, "%" PRIu64 ".%012" PRIu64, (uint64_t)(value / one),
			  (uint64_t)(value % one));
	return buf;
}

static pico hours(const struct wire_usage_row *row)
{
	return divide((pico)row->active_cpu_us * 10000, 36);
}

static pico gb_hours(const struct wire_usage_row *row)
{
	return divide((pico)row->provisioned_mb_us * 10000, 36 * 1024);
}

static pico requests(const struct wire_usage_row *row)
{
	return (pico)row->invocations * MILLION * MILLION;
}

static pico cpu_cost(const struct wire_usage_row *row, const struct usage_prices *p)
{
	return usage_cost_cpu(row->active_cpu_us, p->cpu_hour);
}

static pico memory_cost(const struct wire_usage_row *row, const struct usage_prices *p)
{
	return usage_cost_memory(row->provisioned_mb_us, p->gb_hour);
}

static pico request_cost(const struct wire_usage_row *row, const struct usage_prices *p)
{
	return usage_cost_invocations(row->invocations, p->million_invocations);
}

static const struct charge {
	const char *description, *pricing_unit, *consumed_unit;
	size_t consumed_offset;
	pico (*quantity)(const struct wire_usage_row *row);
	pico (*cost)(const struct wire_usage_row *row, const struct usage_prices *prices);
} charges[] = {
	{"Active CPU", "CPU-Hours", "CPU-Microseconds",
	 offsetof(struct wire_usage_row, active_cpu_us), hours, cpu_cost},
	{"Provisioned memory", "GB-Hours", "MB-Microseconds",
	 offsetof(struct wire_usage_row, provisioned_mb_us), gb_hours, memory_cost},
	{"Invocations", "Requests", "Requests", offsetof(struct wire_usage_row, invocations),
	 requests, request_cost},
};

static const char header[] =
	"BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,"
	"BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,"
	"ChargePeriodStart,ConsumedQuantity,ConsumedUnit,ContractedCost,EffectiveCost,"
	"InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,PublisherName,"
	"ResourceId,ServiceCategory,ServiceName\r\n";

/* Periods of a row, as FOCUS writes dates. */
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

static int write_charge(struct buffer *out, const struct usage_report *report,
			const struct wire_usage_row *row, const struct charge *charge)
{
	char cost[48], quantity[48];
	struct periods p;
	uint64_t consumed;

	make_periods(row, &p);
	memcpy(&consumed, (const char *)row + charge->consumed_offset, sizeof(consumed));
	usage_decimal(charge->cost(row, &report->prices), cost, sizeof(cost));
	usage_decimal(charge->quantity(row), quantity, sizeof(quantity));
	return buffer_printf(out,
			     "%s,\"%s\",\"%s\",%s,%s,%s,Usage,,%s,%s,%s,%" PRIu64
			     ",%s,%s,%s,ebb,%s,%s,%s,ebb,ebb,\"%s\",Compute,ebb\r\n",
			     cost, report->node, report->node, report->prices.currency,
			     p.next_month, p.month, charge->description, p.end, p.start, consumed,
			     charge->consumed_unit, cost, cost, cost, quantity,
			     charge->pricing_unit, row->service);
}

int usage_write_focus(struct buffer *out, const struct usage_report *report)
{
	int r = buffer_add(out, header, sizeof(header) - 1);

	for (size_t i = 0; i < report->count; i++)
		for (size_t k = 0; k < ARRAY_LEN(charges) && r == 0; k++)
			r = write_charge(out, report, &report->rows[i], &charges[k]);
	return r;
}
