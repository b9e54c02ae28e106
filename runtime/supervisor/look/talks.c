// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/look/talks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netns/watch.h"
#include "runtime/base/fd.h"
#include "runtime/base/ip.h"
#include "runtime/base/mem.h"

/* Some protocols begin with a word of the server (MySQL, SMTP, SSH). A pool may also open
 * connections that nobody speaks on. */
#define GREETING_MS 1000
/* Acknowledgements of data come within this time; later ones are of keep-alive probes, which a pool
 * sends after a second of rest at the earliest (TCP_KEEPIDLE, tcp(7)). */
#define ACKNOWLEDGED_WITHIN_MS 1000
#define PORT_DNS               53
/* See talk_is_courtesy. A question of HTTP is longer, and most answers come sooner. */
#define COURTESY_BYTES     64
#define COURTESY_BEHIND_MS 1000
#define COURTESY_AGE_MS    250

/* Whether the program opened it, to somebody outside. Nobody outside can open one to the program
 * but a gateway, on the loopback. */
static bool leads_out(const struct talks_request *q, const struct netns_connection *c)
{
	if (!ip_is_loopback(c->peer))
		return true;
	for (uint32_t i = 0; i < q->port_count; i++)
		if (q->ports[i] == c->peer_port)
			return true;
	return false;
}

/* Its last data went out behind the last that came in. The kernel's clock ticks every few ms, so
 * both may stand at one tick. An answer also acknowledges the question; an acknowledgement behind
 * the last data is one of data that went out later. */
static bool owes_answer(const struct netns_connection *c)
{
	if (c->received_bytes == 0)
		return true;
	if (c->sent_ms == c->received_ms)
		return c->acknowledged_ms < c->received_ms &&
		       c->received_ms - c->acknowledged_ms < ACKNOWLEDGED_WITHIN_MS;
	return c->sent_ms < c->received_ms;
}

static enum talk_wait judge_tcp(const struct netns_connection *c)
{
	if (c->state == NETNS_SYN_SENT)
		return TALK_CONNECT;
	if (c->state == NETNS_CLOSE_WAIT || c->unread_bytes > 0)
		return TALK_NOTHING; /* the program does not wait, it has something to read */
	if (c->unsent_bytes > 0)
		return TALK_SEND;
	if (!c->known)
		return TALK_NOTHING;
	if (c->sent_bytes == 0 && c->received_bytes == 0)
		return c->sent_ms < GREETING_MS ? TALK_GREETING : TALK_NOTHING;
	return owes_answer(c) ? TALK_ANSWER : TALK_NOTHING;
}

enum talk_wait talk_judge(const struct talks_request *q, const struct netns_connection *c)
{
	if (!c->owned || !leads_out(q, c))
		return TALK_NOTHING;
	if (c->protocol == IPPROTO_TCP)
		return judge_tcp(c);
	return c->state == NETNS_ESTABLISHED && c->peer_port == PORT_DNS && c->unread_bytes == 0
		       ? TALK_NAME
		       : TALK_NOTHING;
}

bool talk_is_silent(const struct netns_connection *c, uint64_t said_bytes)
{
	return c->received_bytes > 0 && c->unsent_bytes == 0 && c->acknowledged_bytes == said_bytes;
}

bool talk_is_courtesy(const struct netns_connection *c, uint64_t said_bytes)
{
	uint64_t words = c->acknowledged_bytes - said_bytes;

	return c->received_bytes > 0 && c->unsent_bytes == 0 && words > 0 &&
	       words <= COURTESY_BYTES && c->sent_ms >= COURTESY_AGE_MS &&
	       c->received_ms >= c->sent_ms && c->received_ms - c->sent_ms <= COURTESY_BEHIND_MS;
}

static bool is_settled(const struct talks_request *q, const struct talk_key *key)
{
	for (uint32_t i = 0; i < TALKS_SETTLED; i++)
		if (q->settled[i].cookie == key->cookie &&
		    q->settled[i].received_bytes == key->received_bytes)
			return true;
	return false;
}

struct looking {
	const struct talks_request *q;
	struct talks *out;
};

/* The times are refined by the number of bytes that were said. */
static enum talk_wait refine(const struct talks_request *q, const struct netns_connection *c,
			     enum talk_wait waits, bool *courtesy)
{
	uint64_t said_bytes;

	if (waits != TALK_ANSWER || !q->watch ||
	    net_watch_said(q->watch, c->cookie, &said_bytes) < 0)
		return waits;
	*courtesy = q->answers_wake && talk_is_courtesy(c, said_bytes);
	return talk_is_silent(c, said_bytes) ? TALK_NOTHING : waits;
}

static void on_connection(void *self, const struct netns_connection *c)
{
	struct looking *l = self;
	struct talk t = {.waits = talk_judge(l->q, c),
			 .protocol = c->protocol,
			 .peer_port = c->peer_port,
			 .for_ms = c->sent_ms,
			 .key = {c->cookie, c->received_bytes}};

	bool courtesy = false;

	t.waits = refine(l->q, c, t.waits, &courtesy);
	l->out->open += c->owned && leads_out(l->q, c);
	if (t.waits == TALK_NOTHING)
		return;
	if (l->out->owed_count < TALKS_OWED)
		l->out->owed[l->out->owed_count++] = c->local_port;
	if (courtesy || is_settled(l->q, &t.key) ||
	    (t.waits == TALK_ANSWER && c->received_ms < l->q->woken_ms))
		return;
	memcpy(t.peer, c->peer, sizeof(t.peer));
	if (l->out->waiting < TALKS_SHOWN)
		l->out->shown[l->out->waiting] = t;
	l->out->waiting++;
}

/* The number behind each of two keys in one of the kernel's short tables. */
static uint32_t in_use(pid_t pid, const char *file, const char *tcp, const char *udp)
{
	const char *const keys[] = {tcp, udp};
	char path[48], text[512];
	uint32_t sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, file);
	if (fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *at = strstr(text, keys[i]);

		sum += at ? (uint32_t)strtoul(at + strlen(keys[i]), NULL, 10) : 0;
	}
	return sum;
}

/* Most instances have no socket of TCP or UDP at all: two small files say so, for less than a walk
 * through the kernel's tables costs. */
static bool has_sockets(pid_t pid)
{
	return in_use(pid, "sockstat", "TCP: inuse ", "UDP: inuse ") > 0 ||
	       in_use(pid, "sockstat6", "TCP6: inuse ", "UDP6: inuse ") > 0;
}

int talks_look(const struct talks_request *q, struct talks *out)
{
	struct talks seen = {0};
	struct looking l = {.q = q, .out = &seen};
	int r = 0;

	must(q->settled && q->port_count <= TALKS_PORTS);
	if (has_sockets(q->init_pid))
		r = netns_connections(q->net_ns_fd, q->home_ns_fd, q->wired, on_connection, &l);
	if (r < 0)
		return r;
	seen.crowded = r > 0;
	*out = seen;
	return 0;
}

static const char *const words[TALK_WAIT_COUNT] = {
#define X(name, text) [TALK_##name] = text,
	TALK_WAITS(X)
#undef X
};

void talk_text(const struct talk *t, char *out, size_t size)
{
	char host[IP_TEXT_SIZE], since[40] = "";
	bool v4 = ip_format(t->peer, host);

	if (t->waits == TALK_ANSWER || t->waits == TALK_SEND)
		snprintf(since, sizeof(since), " (%u ms)", t->for_ms);
	snprintf(out, size, v4 ? "%s %s:%u %s%s" : "%s [%s]:%u %s%s",
		 t->protocol == IPPROTO_TCP ? "tcp" : "udp", host, t->peer_port, words[t->waits],
		 since);
}
