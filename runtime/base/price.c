// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/price.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/mem.h"

#define US_PER_HOUR UINT64_C(3600000000)
#define MB_PER_GB   UINT64_C(1024)
#define DECIMALS    9

/* amount x price / per, rounded half up. The product of two 64-bit factors fits 128 bits. */
static int line(uint64_t amount, uint64_t price_nano, uint64_t per, uint64_t *out)
{
	unsigned __int128 product = (unsigned __int128)amount * price_nano;
	unsigned __int128 whole = product / per;

	if ((uint64_t)(product % per) >= per - per / 2)
		whole++;
	if (whole > UINT64_MAX)
		return -EOVERFLOW;
	*out = (uint64_t)whole;
	return 0;
}

int price_usage(const struct price *p, const struct price_amounts *amounts, struct price_lines *out)
{
	struct price_lines l = {0};
	const struct {
		uint64_t amount, price_nano, per, *nano;
	} lines[] = {
		{amounts->active_cpu_us, p->cpu_hour_nano, US_PER_HOUR, &l.cpu_nano},
		{amounts->provisioned_mb_us, p->gb_hour_nano, US_PER_HOUR * MB_PER_GB,
		 &l.memory_nano},
		{amounts->invocations, p->million_invocations_nano, 1000000, &l.invocations_nano},
		{amounts->net_out_bytes, p->gb_out_nano, PRICE_BYTES_PER_GB, &l.out_nano},
		{amounts->net_in_bytes, p->gb_in_nano, PRICE_BYTES_PER_GB, &l.in_nano},
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		int r = line(lines[i].amount, lines[i].price_nano, lines[i].per, lines[i].nano);

		if (r < 0)
			return r;
		if (__builtin_add_overflow(l.total_nano, *lines[i].nano, &l.total_nano))
			return -EOVERFLOW;
	}
	*out = l;
	return 0;
}

const char *price_text(uint64_t nano, unsigned int decimals, char buf[PRICE_TEXT_SIZE])
{
	uint64_t unit = 1, scaled;

	must(decimals <= DECIMALS);
	for (unsigned int i = decimals; i < DECIMALS; i++)
		unit *= 10;
	scaled = nano / unit + (nano % unit >= unit - unit / 2 && unit > 1);
	if (decimals == 0)
		snprintf(buf, PRICE_TEXT_SIZE, "%" PRIu64, scaled);
	else
		snprintf(buf, PRICE_TEXT_SIZE, "%" PRIu64 ".%0*" PRIu64,
			 scaled / (PRICE_NANO / unit), (int)decimals, scaled % (PRICE_NANO / unit));
	return buf;
}

/* Appends one decimal digit to *n. */
static int push_digit(uint64_t *n, char digit)
{
	return __builtin_mul_overflow(*n, 10, n) ||
			       __builtin_add_overflow(*n, (uint64_t)(digit - '0'), n)
		       ? -ERANGE
		       : 0;
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int price_parse(const char *text, uint64_t *out_nano)
{
	uint64_t nano = 0;
	int decimals = 0, err = 0;

	if (!is_digit(*text))
		return -EINVAL;
	for (; !err && is_digit(*text); text++)
		err = push_digit(&nano, *text);
	if (*text == '.' && is_digit(text[1]))
		for (text++; !err && is_digit(*text) && decimals < DECIMALS; text++, decimals++)
			err = push_digit(&nano, *text);
	if (!err && *text)
		return -EINVAL;
	for (; !err && decimals < DECIMALS; decimals++)
		err = push_digit(&nano, '0');
	if (!err)
		*out_nano = nano;
	return err;
}
