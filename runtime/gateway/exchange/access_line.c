// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/exchange/access_line.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/gateway/exchange/account.h"
#include "runtime/gateway/exchange/errors.h"
#include "runtime/gateway/exchange/gateway.h"
#include "runtime/gateway/message/serialize.h"

/* Clients may send any bytes. Bytes that are not printable ASCII are escaped as Latin-1. */
static void put_text(struct writer *w, const char *key, const char *text, size_t size)
{
	static const char hex[] = "0123456789abcdef";

	writer_lit(w, ",\"");
	writer_text(w, key, strlen(key));
	writer_lit(w, "\":\"");
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		char escaped[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

		if (c < 0x20 || c >= 0x7f)
			writer_text(w, escaped, sizeof(escaped));
		else if (c == '"' || c == '\\')
			writer_text(w, (char[]){'\\', (char)c}, 2);
		else
			writer_text(w, text + i, 1);
	}
	writer_lit(w, "\"");
}

static void put_number(struct writer *w, const char *key, uint64_t value)
{
	writer_lit(w, ",\"");
	writer_text(w, key, strlen(key));
	writer_lit(w, "\":");
	writer_u64(w, value);
}

static void put_request(struct writer *w, const struct gateway *g, const struct client *c,
			const struct access_note *n)
{
	const struct caller *k = client_caller(g, c);

	put_text(w, "peer", c->peer, c->peer_size);
	if (k)
		put_text(w, "caller", k->id, strlen(k->id));
	if (n->method_size == 0) /* the head could not be read */
		return;
	put_text(w, "method", n->method, n->method_size);
	put_text(w, "host", n->host, n->host_size);
	put_text(w, "target", n->target, n->target_size);
	if (n->agent_size)
		put_text(w, "user_agent", n->agent, n->agent_size);
}

static void put_answer(struct writer *w, struct gateway *g, const struct exchange *x, bool aborted)
{
	const struct instance *i = &g->instances.slots[x->slot];
	const char *chosen = wire_choice_name(x->chosen);

	put_number(w, "status", x->answer.status);
	if (x->answer.error)
		put_text(w, "error", edge_row(x->answer.error)->code,
			 strlen(edge_row(x->answer.error)->code));
	if (aborted)
		writer_lit(w, ",\"aborted\":true");
	if (x->service != STATS_NO_SERVICE)
		put_text(w, "service", g->routes.services[x->service].record.name,
			 strlen(g->routes.services[x->service].record.name));
	if (x->dispatched_ns == 0)
		return;
	if (i->generation == x->generation)
		put_text(w, "instance", i->id, i->id_size);
	put_text(w, "start", exchange_start_name(x), 4);
	put_text(w, "chosen", chosen, strlen(chosen));
}

static void put_times(struct writer *w, const struct exchange *x, uint64_t now_ns)
{
	uint64_t end_ns = x->dispatched_ns ? x->dispatched_ns : now_ns;

	put_number(w, "queue_us", (end_ns - x->arrived_ns) / NS_PER_US);
	if (x->thaw_ns)
		put_number(w, "thaw_us", x->thaw_ns / NS_PER_US);
	if (x->answered_ns)
		put_number(w, "first_byte_us", (x->answered_ns - x->arrived_ns) / NS_PER_US);
	put_number(w, "total_us", (now_ns - x->arrived_ns) / NS_PER_US);
	put_number(w, "bytes_in", x->up.bytes);
	put_number(w, "bytes_out", x->down.bytes);
	if (x->attempts)
		put_number(w, "retries", x->attempts);
}

size_t access_line(struct gateway *g, const struct client *c, const struct access_note *note,
		   bool aborted, uint64_t now_ns, char out[ACCESS_LINE_MAX])
{
	struct writer w = {out, out + ACCESS_LINE_MAX, false};
	char time[32];

	clock_rfc3339(wall_us(&g->wall, gateway_now(g), c->x.arrived_ns), time);
	writer_lit(&w, "{\"time\":\"");
	writer_text(&w, time, strlen(time));
	writer_lit(&w, "\"");
	put_text(&w, "id", c->x.id, sizeof(c->x.id));
	put_request(&w, g, c, note);
	put_answer(&w, g, &c->x, aborted);
	put_times(&w, &c->x, now_ns);
	writer_lit(&w, "}\n");
	must(!w.overflow);
	return (size_t)(w.at - out);
}
