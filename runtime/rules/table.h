/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a site as one block of memory, which ebb-api makes and gateways match requests with.
 * It holds no pointer: places are offsets from its begin, aligned to 4 bytes.
 *
 * A site has rules of its own, and its services may have some that hold behind those. Each group of
 * rules is ordered: redirects, then headers, then rewrites.
 */
#ifndef EBB_RULES_TABLE_H
#define EBB_RULES_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULES_MAGIC        0x65626272u
#define RULES_BYTES_MAX    (4u << 20)
#define RULES_MAX          2048u /* of a site, all groups */
#define RULES_GROUPS_MAX   64u   /* the site, and services with rules of their own */
#define RULES_SERVICES_MAX 64u
#define RULES_CONDS_MAX    16u /* of a rule */
#define RULES_FIELDS_MAX   32u /* headers of a rule */
#define RULES_NAME_SIZE    64
#define RULES_NONE         UINT16_MAX

/* A text, or a list of bytes, in the table. */
struct rules_text {
	uint32_t at, size;
};

enum rule_kind { RULE_REDIRECT, RULE_HEADERS, RULE_REWRITE, RULE_KINDS };

/* Where a rewrite leads. PATH: to another path. SERVICE: into a service, for good. REFUSE: nowhere,
 * because ebb does not do it. */
enum rule_target { RULE_TO_PATH, RULE_TO_SERVICE, RULE_TO_NOWHERE, RULE_TARGETS };

struct rule {
	uint8_t kind;   /* enum rule_kind */
	uint8_t target; /* enum rule_target, of a rewrite */
	uint8_t whole;  /* the literal is all that the path may be */
	uint8_t sets;   /* the path in `to` is also what the service sees */
	uint8_t ends;   /* no rewrite behind it is looked at; a service ends in any case */
	uint8_t reserved;
	uint16_t status;
	uint16_t service;          /* number of the service, or RULES_NONE */
	struct rules_text literal; /* how a path begins that the expression may match */
	struct rules_text regex;
	struct rules_text conds;  /* of struct rule_cond */
	struct rules_text to;     /* template: the new place of a redirect, the path of a rewrite */
	struct rules_text fields; /* of struct rule_field */
};

enum cond_kind { COND_HOST, COND_HEADER, COND_COOKIE, COND_QUERY, COND_KINDS };
enum cond_test {
	TEST_THERE,
	TEST_EQUAL, /* to one of the texts in value, each behind its size in 2 bytes */
	TEST_BEGINS,
	TEST_ENDS,
	TEST_REGEX, /* value: a regex */
	TEST_LESS,
	TEST_AT_MOST,
	TEST_MORE,
	TEST_AT_LEAST,
	TEST_COUNT,
};

struct rule_cond {
	uint8_t kind, test;
	uint8_t negated; /* the test must fail (missing, neq) */
	uint8_t absent;  /* it holds also where there is no such thing */
	uint32_t reserved;
	double number;
	struct rules_text key, value;
};

/* A header that a rule adds to answers; both are templates. */
struct rule_field {
	struct rules_text name, value;
};

/*
 * A template is a list of pieces: a byte of this kind, then
 * TEXT: its size in 2 bytes (little end first) and the text; GROUP: a byte, the number of a group
 * of the source; FOUND: two bytes, the number of a condition and of a group of its expression, 0
 * for all that it looked at.
 */
enum template_piece { PIECE_TEXT, PIECE_GROUP, PIECE_FOUND };

struct rules_group {
	uint16_t first[RULE_KINDS], count[RULE_KINDS]; /* rules */
	uint16_t service; /* that they belong to; RULES_NONE: the site */
	uint16_t reserved;
};

struct rules_table {
	uint32_t magic, size;
	uint16_t rule_count, group_count, service_count;
	uint16_t otherwise; /* service for a path that no rewrite leads away, or RULES_NONE */
	uint8_t passes;     /* such a path finds its service by host and prefix */
	uint8_t reserved[7];
	struct rules_text rules;                     /* of struct rule */
	struct rules_group groups[RULES_GROUPS_MAX]; /* the first is the site's */
	char services[RULES_SERVICES_MAX][RULES_NAME_SIZE];
	uint32_t revisions[RULES_SERVICES_MAX]; /* that requests go to while it serves; 0: any */
	uint8_t files[RULES_SERVICES_MAX]; /* the service has files: a rewrite comes behind them */
};

/* Whether all that the table says lies inside it and is what it may be. Once; then it may be
 * matched. */
bool rules_valid(const void *table, size_t size);

static inline const void *rules_at(const struct rules_table *t, struct rules_text text)
{
	return (const char *)t + text.at;
}

#endif
