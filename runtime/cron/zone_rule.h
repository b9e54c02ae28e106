/* SPDX-License-Identifier: Apache-2.0 */
/* The rule behind the last entry of a zone file: the TZ string of POSIX, as RFC 8536 extends it.
 * Pure. */
#ifndef EBB_CRON_ZONE_RULE_H
#define EBB_CRON_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum zone_day_kind { ZONE_DAY_OF_WEEK, ZONE_DAY_NO_LEAP, ZONE_DAY_OF_YEAR };

/* A day of each year and a time of it, in local seconds. */
struct zone_day {
	enum zone_day_kind kind;
	uint32_t month, week,
		day; /* M: 1..12, 1..5 (5 = the last), 0..6. J: day 1..365. n: 0..365 */
	int32_t seconds;
};

struct zone_rule {
	int32_t standard, summer; /* seconds east */
	bool changes;             /* it has a summer, between from and to */
	struct zone_day from, to;
};

/* text: without the newlines around it. 0 or -EINVAL. */
int zone_rule_parse(const char *text, size_t size, struct zone_rule *out);
int32_t zone_rule_offset(const struct zone_rule *r, int64_t at);
int64_t zone_rule_next_change(const struct zone_rule *r, int64_t at);

#endif
