// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/errors.h"

#include "runtime/base/mem.h"

static const struct edge_row rows[EDGE_COUNT] = {
#define X(name, number, text, service_, counter_, end_, retry)           \
	[EDGE_##name] = {.status = (number),                             \
			 .retry_after_s = (retry),                       \
			 .end = (end_),                                  \
			 .service = SERVICE_error_##service_,            \
			 .counter = offsetof(struct counters, counter_), \
			 .code = (text)},
	EDGE_ERRORS(X)
#undef X
};

const struct edge_row *edge_row(enum edge_error e)
{
	must(e > EDGE_NONE && e < EDGE_COUNT);
	return &rows[e];
}

enum edge_error edge_of_head(int status)
{
	static const enum edge_error heads[] = {EDGE_HEAD_TIMEOUT,       EDGE_TARGET_TOO_LONG,
						EDGE_EXPECTATION_FAILED, EDGE_HEAD_TOO_LARGE,
						EDGE_NOT_IMPLEMENTED,    EDGE_VERSION};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		if (rows[heads[i]].status == status)
			return heads[i];
	must(status == rows[EDGE_BAD_HEAD].status);
	return EDGE_BAD_HEAD;
}

void edge_count(struct counters *count, enum edge_error e)
{
	uint64_t *counter = (uint64_t *)(void *)((char *)count + edge_row(e)->counter);

	(*counter)++;
}
