// SPDX-License-Identifier: Apache-2.0
/*
 * Requests that kill instances. When an instance has died by itself, each gateway tells ebbd which
 * requests were in flight there. ebbd joins these reports (supervisor/decide/blame.c) and has kinds
 * of requests watched, or refused for a while. An answer to a watched kind clears the kind, because
 * a killer never gets one.
 */
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/gateway/exchange/blame.h"

static uint64_t mix_bytes(uint64_t h, const char *at, size_t size)
{
	while (size > 0) {
		size_t n = size < sizeof(uint64_t) ? size : sizeof(uint64_t);
		uint64_t word = size;

		memcpy(&word, at, n);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
		at += n;
		size -= n;
	}
	return h;
}

uint64_t blame_kind(struct http_slice method, struct http_slice path)
{
	return mix_bytes(mix_bytes(method.size, method.at, method.size), path.at, path.size);
}

static struct ban *find(struct gateway *g, uint32_t service, uint64_t kind)
{
	for (uint32_t n = 0; n < BANS_MAX; n++) {
		struct ban *b = &g->bans[n];

		if (b->used && b->kind == kind && b->service == service)
			return b;
	}
	return NULL;
}

/* In a full table the oldest entry goes; ebbd tells that kind again at the next death. */
void blame_put(struct gateway *g, const struct wire_ban *record)
{
	struct ban *b = find(g, record->service, record->kind);

	for (uint32_t n = 0; !b && n < BANS_MAX; n++)
		if (!g->bans[n].used)
			b = &g->bans[n];
	if (!b)
		b = &g->bans[g->next_ban++ % BANS_MAX];
	if (!b->used)
		g->ban_count++;
	*b = (struct ban){.used = true,
			  .service = record->service,
			  .kind = record->kind,
			  .until_ns = record->until_ns,
			  .put_ns = gateway_now(g)};
	(void)text_copy(b->text, sizeof(b->text), record->text);
}

void blame_forget(struct gateway *g, uint32_t service)
{
	for (uint32_t n = 0; n < BANS_MAX && g->ban_count > 0; n++) {
		if (!g->bans[n].used || g->bans[n].service != service)
			continue;
		g->bans[n].used = false;
		g->ban_count--;
	}
}

bool blame_awaited(struct gateway *g, const struct client *c)
{
	const struct ban *b = find(g, c->x.service, c->x.kind);

	return b && c->x.deaths > 0 && b->put_ns < c->x.died_ns;
}

bool blame_refuses(struct gateway *g, struct client *c)
{
	const struct ban *b = find(g, c->x.service, c->x.kind);
	uint64_t now_ns = gateway_now(g);

	if (!b || b->until_ns <= now_ns)
		return false;
	g->count.banned++;
	(void)exchange_fail(g, c, EDGE_BANNED, (uint32_t)((b->until_ns - now_ns) / NS_PER_SEC) + 1,
			    "%s", b->text);
	return true;
}

void blame_answered(struct gateway *g, const struct client *c)
{
	struct ban *b = find(g, c->x.service, c->x.kind);

	if (!b || c->state != CLIENT_ANSWERING)
		return;
	must(g->ban_count > 0);
	b->used = false;
	g->ban_count--;
	tell_cleared(&g->tell, c->x.service, c->x.kind);
}

/* ---- a death ---- */

/* "GET /path", as the request was written. */
static void label_of(const struct client *c, char out[BLAME_LABEL_SIZE])
{
	const struct chunk *r = &c->x.request;
	uint32_t n = 0, spaces = 0;

	if (r->size == 0) { /* blame_label kept it when the request was dropped */
		memcpy(out, c->label, BLAME_LABEL_SIZE);
		return;
	}
	for (; n < r->size && n < BLAME_LABEL_SIZE - 1; n++) {
		spaces += r->at[n] == ' ';
		if (spaces == 2 || r->at[n] == '?')
			break;
		out[n] = r->at[n] > ' ' && r->at[n] < 0x7f ? r->at[n] : ' ';
	}
	out[n] = '\0';
}

void blame_label(struct client *c)
{
	label_of(c, c->label);
}

static void add(struct wire_blame *blame, const struct client *c)
{
	for (uint32_t n = 0; n < blame->count; n++)
		if (blame->kinds[n] == c->x.kind)
			return;
	if (blame->count == BLAME_KINDS_MAX) {
		blame->more++;
		return;
	}
	label_of(c, blame->labels[blame->count]);
	blame->kinds[blame->count++] = c->x.kind;
}

/* Whether the request is under way on that instance, or failed there a moment ago and has gone on.
 * A request that was never sent does not count. A request that was answered already does not count
 * either: a WebSocket or a stream would be there at every death. */
static bool was_there(const struct client *c, const struct wire_instance_down *down)
{
	if (!client_is_open(c) || (client_is_joined(c) && c->state != CLIENT_ASKED))
		return false;
	if (c->state != CLIENT_WAITS_SOCKET && c->x.ticket != TICKET_NONE &&
	    c->x.slot == down->slot && c->x.generation == down->generation)
		return true;
	return c->x.failed_slot == down->slot && c->x.failed_generation == down->generation;
}

static bool died_by_itself(uint32_t cause)
{
	return cause == WIRE_DOWN_EXITED || cause == WIRE_DOWN_SIGNALED || cause == WIRE_DOWN_OOM ||
	       cause == WIRE_DOWN_SECCOMP;
}

void blame_died(struct gateway *g, const struct wire_instance_down *down, uint32_t service)
{
	struct wire_blame blame = {
		.service = service, .slot = down->slot, .generation = down->generation};

	if (!died_by_itself(down->cause))
		return;
	for (uint32_t n = 0; n < g->client_count; n++) {
		struct client *c = &g->clients[n];

		if (!was_there(c, down))
			continue;
		if (c->x.deaths < UINT8_MAX)
			c->x.deaths++;
		c->x.died_ns = gateway_now(g);
		add(&blame, c);
	}
	(void)tell_blame(&g->tell, &blame);
}

static const char *cause_text(uint32_t cause)
{
	static const char *const texts[WIRE_DOWN_CAUSE_COUNT] = {
		[WIRE_DOWN_STOPPED] = "was stopped",
		[WIRE_DOWN_EXITED] = "exited with code",
		[WIRE_DOWN_SIGNALED] = "was killed by signal",
		[WIRE_DOWN_OOM] = "ran out of memory (oom; raise `memory`)",
		[WIRE_DOWN_SECCOMP] =
			"made a system call that is not allowed (seccomp) and was killed by signal",
		[WIRE_DOWN_UNRESPONSIVE] =
			"was replaced because it ignored maxDuration (unresponsive)",
	};

	return cause < WIRE_DOWN_CAUSE_COUNT && texts[cause] ? texts[cause]
							     : wire_down_cause_name(cause);
}

static bool has_detail(uint32_t cause)
{
	return cause == WIRE_DOWN_EXITED || cause == WIRE_DOWN_SIGNALED ||
	       cause == WIRE_DOWN_SECCOMP;
}

enum verdict blame_crashed(struct gateway *g, struct client *c)
{
	const struct instance *i = &g->instances.slots[c->x.slot];
	const char *twice = "";
	char detail[16] = "";

	if (i->generation != c->x.generation || i->up) {
		return exchange_fail(g, c, EDGE_INSTANCE_CRASHED, 0,
				     "The instance %s closed the connection without an answer.",
				     i->generation == c->x.generation ? i->id : "");
	}
	if (has_detail(i->down_cause))
		(void)text_format(detail, sizeof(detail), " %d", i->down_detail);
	if (c->x.deaths > 1)
		twice = " Two instances ended under it; it gets no third.";
	return exchange_fail(g, c, EDGE_INSTANCE_CRASHED, 0,
			     "The instance %s %s%s while it had this request.%s", i->id,
			     cause_text(i->down_cause), detail, twice);
}
