// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/dns/inside.h"
#include "runtime/dns/policy.h"

#define TRIES_MAX     3
#define PORT_FIRST    53 /* of host.internal: the first of the host's resolvers */
#define DATAGRAM_NS   (1500 * NS_PER_MS)
#define STREAM_NS     (3 * NS_PER_SEC)
#define OPEN_NS       (2 * NS_PER_SEC)
#define LENGTH_BYTES  2
#define HOST_INTERNAL "host.internal"

/* A question on its way. Over TCP it is sent on over TCP. */
struct question {
	struct dns *dns;
	struct guest *guest;
	struct chain in_dns;
	struct asker *asker; /* NULL: it came in a datagram, from here: */
	struct sockaddr_in from;
	struct packet *asked;
	struct packet_question what;
	struct packet_answer answer; /* waits until its addresses are open */
	uint16_t ports[EGRESS_NAMES_MAX];
	uint32_t port_count, to_open;
	uint64_t cookie;
	uint16_t id;
	uint32_t tries;
	struct watch upstream;
	struct timer timer;
	uint8_t *stream; /* TCP: owned; all bytes so far, their length in front */
	size_t stream_used;
};

static void on_upstream(struct watch *w, uint32_t events);
static void on_late(struct timer *t);
static void send_on(struct question *q);

/* ---- its end ---- */

static void close_upstream(struct question *q)
{
	loop_unwatch(q->dns->loop, &q->upstream);
	fd_close(&q->upstream.fd);
	free(q->stream);
	q->stream = NULL;
	q->stream_used = 0;
}

static void forget(struct question *q)
{
	must(q->guest->questions > 0 && q->dns->question_count > 0);
	close_upstream(q);
	loop_timer_off(q->dns->loop, &q->timer);
	chain_remove(&q->in_dns);
	q->guest->questions--;
	q->dns->question_count--;
	packet_free(q->asked);
	packet_free(q->answer.packet);
	free(q);
}

void ask_forget(struct dns *dns, const struct asker *asker, const struct guest *g)
{
	struct chain *at = dns->questions.next, *next;

	for (; at != &dns->questions; at = next) {
		struct question *q = container_of(at, struct question, in_dns);

		next = at->next;
		if ((asker && q->asker == asker) || (g && q->guest == g))
			forget(q);
	}
}

static void send_answer(struct dns *dns, struct asker *asker, const struct sockaddr_in *from,
			const uint8_t *bytes, size_t size)
{
	if (asker)
		asker->answer(asker, bytes, size);
	else if (bytes) /* a datagram that does not fit is lost, as datagrams are */
		(void)sendto(dns->datagrams.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL,
			     (const struct sockaddr *)from, sizeof(*from));
}

/* Answers, and forgets the question. */
static void answer(struct question *q, const struct packet *packet, int rcode,
		   const uint8_t *address)
{
	size_t most = q->asker ? MESSAGE_MAX : q->what.udp_bytes, size = 0;
	SCOPED_MEM uint8_t *bytes =
		packet_write_answer(q->asked, packet, rcode, address, most, &size);
	struct dns *dns = q->dns;
	struct asker *asker = q->asker;
	const struct sockaddr_in from = q->from;

	forget(q);
	send_answer(dns, asker, &from, bytes, size);
}

/* ---- the host's resolvers ---- */

static void try_next(struct question *q)
{
	close_upstream(q);
	if (++q->tries >= TRIES_MAX)
		answer(q, NULL, PACKET_SERVFAIL, NULL);
	else
		send_on(q);
}

static void on_late(struct timer *t)
{
	struct question *q = container_of(t, struct question, timer);

	if (q->to_open > 0)
		answer(q, NULL, PACKET_SERVFAIL, NULL);
	else
		try_next(q);
}

/* Each question has a socket of its own, so its port cannot be guessed. */
static int open_upstream(struct question *q)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port =
			htons((uint16_t)(PORT_FIRST + q->tries % q->dns->config.resolver_count))};
	int type = q->asker ? SOCK_STREAM : SOCK_DGRAM;

	memcpy(&to.sin_addr, q->dns->host_v4, sizeof(to.sin_addr));
	q->upstream = (struct watch){.fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
				     .on_ready = on_upstream,
				     .name = "dns on_upstream"};
	if (q->upstream.fd < 0 ||
	    (connect(q->upstream.fd, (const struct sockaddr *)&to, sizeof(to)) < 0 &&
	     errno != EINPROGRESS))
		return -errno;
	return loop_watch(q->dns->loop, &q->upstream, q->asker ? EPOLLOUT : EPOLLIN);
}

static int send_question(struct question *q)
{
	size_t size = 0, head = q->asker ? LENGTH_BYTES : 0;
	SCOPED_MEM uint8_t *bytes = packet_write_question(q->asked, q->id, &size);
	uint8_t message[LENGTH_BYTES + PACKET_PLAIN_BYTES];
	ssize_t n;

	if (!bytes || size > PACKET_PLAIN_BYTES)
		return -ENOMEM;
	message[0] = (uint8_t)(size >> 8);
	message[1] = (uint8_t)size;
	memcpy(message + head, bytes, size);
	n = sendto(q->upstream.fd, message, head + size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	if (n < 0)
		return -errno;
	return (size_t)n == head + size ? 0 : -EMSGSIZE;
}

/* A try that cannot even begin waits for its time too, or three would fail at once while the wire
 * is being made. */
static void send_on(struct question *q)
{
	uint64_t wait_ns = q->asker ? STREAM_NS : DATAGRAM_NS;

	if (getrandom(&q->id, sizeof(q->id), GRND_NONBLOCK) == (ssize_t)sizeof(q->id) &&
	    open_upstream(q) == 0 && !q->asker)
		(void)send_question(q);
	(void)loop_timer_at(q->dns->loop, &q->timer, loop_now_ns(q->dns->loop) + wait_ns);
}

/* ---- answers ---- */

static int ask_to_open(struct question *q)
{
	const struct packet_answer *a = &q->answer;
	struct wire_net_open record = {.cookie = q->cookie,
				       .range = q->guest->range,
				       .generation = q->guest->generation,
				       .count = a->open_count,
				       .ttl_s = a->ttl_s > 0 ? a->ttl_s : 1};
	int r = 0;

	memcpy(record.addresses, a->open, sizeof(record.addresses));
	for (uint32_t i = 0; r == 0 && i < q->port_count; i++) {
		record.port = q->ports[i];
		r = wire_link_send(&q->dns->control, WIRE_DNS_OPEN, &record, sizeof(record), NULL,
				   0);
	}
	if (r < 0)
		return r;
	q->to_open = q->port_count;
	(void)loop_timer_at(q->dns->loop, &q->timer, loop_now_ns(q->dns->loop) + OPEN_NS);
	return 0;
}

static struct question *question_of(struct dns *dns, uint64_t cookie)
{
	struct question *q;

	chain_each(q, &dns->questions, in_dns) {
		if (q->cookie == cookie && q->to_open > 0)
			return q;
	}
	return NULL;
}

void ask_opened(struct dns *dns, const struct wire_net_opened *opened)
{
	struct question *q = question_of(dns, opened->cookie);

	if (!q)
		return;
	if (opened->err == ENOSPC)
		dns_refused(dns, q->guest, DNS_REFUSAL_FULL, q->what.name);
	if (opened->err)
		answer(q, NULL, PACKET_SERVFAIL, NULL);
	else if (--q->to_open == 0)
		answer(q, q->answer.packet, 0, NULL);
}

/* Bytes of a resolver. An answer to another question changes nothing. */
static void take(struct question *q, const uint8_t *bytes, size_t size)
{
	if (packet_read_answer(bytes, size, q->asked, q->id, &q->guest->egress, &q->answer) < 0)
		return;
	if (q->answer.failed && q->tries + 1 < TRIES_MAX) {
		packet_free(q->answer.packet);
		q->answer = (struct packet_answer){.packet = NULL};
		try_next(q);
		return;
	}
	close_upstream(q);
	if (q->answer.dropped)
		dns_refused(q->dns, q->guest, DNS_REFUSAL_REBIND, q->what.name);
	if (q->answer.cut && !q->asker) {
		/* An empty answer with TC: PACKET_NOERROR in no bytes at all. */
		q->what.udp_bytes = 0;
		answer(q, NULL, PACKET_NOERROR, NULL);
	} else if (q->answer.open_count == 0 || q->port_count == 0) {
		answer(q, q->answer.packet, 0, NULL);
	} else if (ask_to_open(q) < 0) {
		answer(q, NULL, PACKET_SERVFAIL, NULL);
	}
}

static void read_datagram(struct question *q)
{
	struct dns *dns = q->dns;
	ssize_t n = recv(q->upstream.fd, dns->buffer, sizeof(dns->buffer), MSG_DONTWAIT);

	if (n >= 0)
		take(q, dns->buffer, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		try_next(q); /* nobody is there: the kernel says so at once */
}

static void read_stream(struct question *q)
{
	const size_t room = LENGTH_BYTES + MESSAGE_MAX;
	size_t wanted = LENGTH_BYTES;
	ssize_t n;

	if (!q->stream)
		q->stream = malloc(room);
	n = q->stream ? recv(q->upstream.fd, q->stream + q->stream_used, room - q->stream_used,
			     MSG_DONTWAIT)
		      : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		try_next(q);
		return;
	}
	q->stream_used += (size_t)n;
	if (q->stream_used >= LENGTH_BYTES)
		wanted += (size_t)q->stream[0] << 8 | q->stream[1];
	if (q->stream_used < LENGTH_BYTES || q->stream_used < wanted)
		return;
	memcpy(q->dns->buffer, q->stream + LENGTH_BYTES, wanted - LENGTH_BYTES);
	take(q, q->dns->buffer, wanted - LENGTH_BYTES);
}

static void on_upstream(struct watch *w, uint32_t events)
{
	struct question *q = container_of(w, struct question, upstream);

	if (!q->asker)
		read_datagram(q);
	else if (!(events & EPOLLOUT))
		read_stream(q);
	else if (send_question(q) < 0 || loop_rewatch(q->dns->loop, w, EPOLLIN) < 0)
		try_next(q);
}

/* ---- a new question ---- */

static bool is_below(const char *name, const char *zone)
{
	size_t n = strlen(name), m = strlen(zone);

	return n >= m && strcmp(name + n - m, zone) == 0 && (n == m || name[n - m - 1] == '.');
}

/* Answers here what no resolver is asked for. True: it was. */
static bool answer_here(struct question *q, int rcode)
{
	bool host = strcmp(q->what.name, HOST_INTERNAL) == 0;
	int ports;

	if (rcode > 0) {
		answer(q, NULL, rcode, NULL);
		return true;
	}
	if (is_below(q->what.name, "internal")) {
		answer(q, NULL, host ? PACKET_NOERROR : PACKET_NXDOMAIN,
		       host && q->what.is_a ? q->dns->host_v4 : NULL);
		return true;
	}
	ports = policy_name(&q->guest->egress, q->what.name, q->ports);
	q->port_count = ports > 0 ? (uint32_t)ports : 0;
	if (ports < 0) {
		dns_refused(q->dns, q->guest, DNS_REFUSAL_NAME, q->what.name);
		answer(q, NULL, PACKET_REFUSED, NULL);
	}
	return ports < 0;
}

/* Bytes that are no question. */
static void answer_unread(struct dns *dns, struct asker *asker, const struct sockaddr_in *from,
			  const uint8_t *bytes, size_t size)
{
	uint8_t head[12];
	bool asks = packet_write_unread(bytes, size, head);

	send_answer(dns, asker, from, asks ? head : NULL, asks ? sizeof(head) : 0);
}

void ask(struct dns *dns, struct guest *g, struct asker *asker, const struct sockaddr_in *from,
	 const uint8_t *bytes, size_t size)
{
	struct question *q = calloc(1, sizeof(*q));
	int rcode = 0;

	if (!q || packet_read_question(bytes, size, &q->asked, &q->what, &rcode) < 0) {
		free(q);
		answer_unread(dns, asker, from, bytes, size);
		return;
	}
	q->dns = dns;
	q->guest = g;
	q->asker = asker;
	if (from)
		q->from = *from;
	q->cookie = ++dns->cookie;
	q->upstream.fd = -1;
	q->timer = (struct timer){.on_due = on_late, .name = "dns on_late"};
	chain_init(&q->in_dns);
	chain_add_last(&dns->questions, &q->in_dns);
	g->questions++;
	dns->question_count++;
	if (g->questions > QUESTIONS_OF_ONE || dns->question_count > QUESTIONS_MAX)
		answer(q, NULL, PACKET_SERVFAIL, NULL);
	else if (!answer_here(q, rcode))
		send_on(q);
}
