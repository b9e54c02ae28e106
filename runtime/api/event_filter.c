// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/event_filter.h"

#include <string.h>

#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/nearest.h"
#include "runtime/base/text.h"

/* A name may be of a service that is gone: its events are still there. */
static bool read_of(struct request *rq, struct event_filter *out)
{
	if (request_query(rq, "of", out->of, sizeof(out->of)) >= 0)
		return true;
	problem_reply(rq, 400, "name a service or an instance", "of: this is no name");
	return false;
}

static void answer_no_kind(struct request *rq, const char *kind)
{
	char question[128], mend[256];
	struct nearest near;

	nearest_init(&near, kind);
	for (uint32_t k = 0; k < WIRE_EVENT_KIND_COUNT; k++)
		nearest_offer(&near, wire_event_kind_name(k));
	(void)text_format(mend, sizeof(mend), "%suse a kind as events show it: instance_starting",
			  nearest_question(&near, question, sizeof(question)));
	problem_reply(rq, 400, mend, "kind: there is no kind of event named '%s'", kind);
}

static bool read_kind(struct request *rq, struct event_filter *out)
{
	char kind[64] = "";
	int r = request_query(rq, "kind", kind, sizeof(kind));

	out->kind = r == 0 ? WIRE_EVENT_KIND_COUNT : 0;
	while (r > 0 && out->kind < WIRE_EVENT_KIND_COUNT &&
	       strcmp(kind, wire_event_kind_name(out->kind)) != 0)
		out->kind++;
	if (r == 0 || (r > 0 && out->kind < WIRE_EVENT_KIND_COUNT))
		return true;
	answer_no_kind(rq, kind);
	return false;
}

bool event_filter_read(struct request *rq, struct event_filter *out)
{
	*out = (struct event_filter){0};
	return read_of(rq, out) && read_kind(rq, out);
}

bool event_filter_takes(const struct event_filter *f, const struct wire_event *e)
{
	if (f->kind != WIRE_EVENT_KIND_COUNT && f->kind != e->kind)
		return false;
	return !f->of[0] || strcmp(f->of, e->service) == 0 || strcmp(f->of, e->instance) == 0;
}
