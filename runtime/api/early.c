// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/early.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/request.h"
#include "runtime/api/routes.h"
#include "runtime/base/mem.h"

#define CHANGES_MAX 256 /* as many as there are connections */

struct early_change {
	struct request *rq;
	const struct route *route;
};

struct early {
	uint64_t until_ns;
	size_t count;
	struct early_change changes[CHANGES_MAX]; /* in the order in which they came */
};

int early_new(uint64_t now_ns, struct early **out)
{
	struct early *early = calloc(1, sizeof(*early));

	if (!early)
		return -ENOMEM;
	early->until_ns = now_ns + EARLY_WAIT_NS;
	*out = early;
	return 0;
}

void early_free(struct early *early)
{
	free(early);
}

bool early_keeps(const struct api *api, const struct route *route, struct request *rq)
{
	struct early *early = api->early;

	if (api->ready || strcmp(route->method, "GET") == 0 || clock_mono_ns() >= early->until_ns ||
	    early->count == ARRAY_LEN(early->changes))
		return false;
	early->changes[early->count++] = (struct early_change){rq, route};
	return true;
}

void early_forget(struct early *early, const struct request *rq)
{
	size_t kept = 0;

	for (size_t i = 0; i < early->count; i++)
		if (early->changes[i].rq != rq)
			early->changes[kept++] = early->changes[i];
	early->count = kept;
}

uint64_t early_turn(const struct api *api, uint64_t now_ns)
{
	struct early *early = api->early;

	if (!api->ready && now_ns < early->until_ns)
		return early->count > 0 ? early->until_ns : UINT64_MAX;
	/* One at a time: a handler may end connections, and so forget what waits behind it. */
	while (early->count > 0) {
		struct early_change first = early->changes[0];

		early_forget(early, first.rq);
		route_handle(first.route, first.rq);
	}
	return UINT64_MAX;
}
