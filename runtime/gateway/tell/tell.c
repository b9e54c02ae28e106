// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/tell/tell.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "runtime/base/mem.h"

void tell_init(struct tell *t, struct ring *l, struct routes *routes, int fd)
{
	*t = (struct tell){.ring = l, .routes = routes, .fd = fd};
}

static void arm(struct tell *t)
{
	io_uring_prep_poll_add(ring_sqe(t->ring, RING_CONTROL_OUT, 0, 0), t->fd, POLLOUT);
}

/* Sends a record. True: it was sent, or never will be. False: the channel is full. */
static bool say(struct tell *t, uint32_t type, const void *record, size_t size)
{
	int r;

	if (t->blocked)
		return false;
	r = wire_send(t->fd, type, record, size, NULL, 0);
	if (r != -EAGAIN)
		return true;
	t->blocked = true;
	arm(t);
	return false;
}

void tell_on_writable(struct tell *t)
{
	t->blocked = false;
}

enum mark { MARK_NEED = 1, MARK_CHOICE = 2 };

static void mark(struct tell *t, uint32_t service, enum mark what)
{
	must(service < SERVICES_MAX && (t->marks[service] || t->mark_count < SERVICES_MAX));
	if (t->marks[service] == 0)
		t->marked[t->mark_count++] = service;
	t->marks[service] |= what;
}

void tell_need_instance(struct tell *t, uint32_t service)
{
	mark(t, service, MARK_NEED);
}

void tell_choice(struct tell *t, uint32_t service)
{
	mark(t, service, MARK_CHOICE);
}

void tell_need_sockets(struct tell *t, struct instance *i)
{
	struct wire_need_sockets need = {.slot = i->slot, .generation = i->generation};

	if (i->asked_sockets)
		return;
	/* Asks for a few sockets. Where the stock ran out it asks for twice as many as were used,
	 * so that a busy instance asks seldom. The stock of a slow instance stays small, because
	 * there may be a thousand such instances. */
	need.count = STOCK_REFILL;
	if (i->stock_count <= 1 && i->used_sockets * 2 > need.count)
		need.count = i->used_sockets * 2;
	if (need.count > STOCK_MAX - i->stock_count)
		need.count = STOCK_MAX - i->stock_count;
	if (need.count == 0 || !say(t, WIRE_NEED_SOCKETS, &need, sizeof(need)))
		return; /* the next connection asks again */
	i->asked_sockets = true;
	i->used_sockets = 0;
}

bool tell_queue_get(struct tell *t, const struct instance *i, uint32_t waited_ms)
{
	struct wire_queue_get get = {
		.slot = i->slot, .generation = i->generation, .waited_ms = waited_ms};

	return say(t, WIRE_QUEUE_GET, &get, sizeof(get));
}

bool tell_blame(struct tell *t, const struct wire_blame *blame)
{
	return say(t, WIRE_BLAME, blame, sizeof(*blame));
}

void tell_cleared(struct tell *t, uint32_t service, uint64_t kind)
{
	struct wire_cleared record = {.kind = kind, .service = service};

	(void)say(t, WIRE_CLEARED, &record, sizeof(record));
}

void tell_suspect(struct tell *t, const struct instance *i, int err)
{
	struct wire_instance_suspect suspect = {
		.slot = i->slot, .generation = i->generation, .error = err};

	(void)say(t, WIRE_INSTANCE_SUSPECT, &suspect, sizeof(suspect));
}

static bool flush_need(struct tell *t, uint32_t service)
{
	struct service *s = &t->routes->services[service];
	struct wire_need_instance need = {.service = service,
					  .queued = s->queued,
					  .ups = s->record.ups,
					  .refused_full = s->refused_full,
					  .refused_late = s->refused_late,
					  .refused_nacked = s->refused_nacked};

	if (!say(t, WIRE_NEED_INSTANCE, &need, sizeof(need)))
		return false;
	s->refused_full = s->refused_late = s->refused_nacked = 0;
	s->need_told_ns = t->ring->now_ns;
	s->need_told = need.queued;
	return true;
}

static bool flush_choice(struct tell *t, uint32_t service)
{
	struct service *s = &t->routes->services[service];

	s->choice.service = service;
	if (!say(t, WIRE_CHOICE, &s->choice, sizeof(s->choice)))
		return false;
	memset(s->choice.made, 0, sizeof(s->choice.made));
	s->choice_told_ns = t->ring->now_ns;
	return true;
}

static const struct {
	enum mark mark;
	bool (*flush)(struct tell *t, uint32_t service);
} tellers[] = {
	{MARK_NEED, flush_need},
	{MARK_CHOICE, flush_choice},
};

void tell_flush(struct tell *t)
{
	while (t->mark_count > 0) {
		uint32_t service = t->marked[t->mark_count - 1];

		must(service < SERVICES_MAX && t->marks[service]);
		for (size_t i = 0; i < ARRAY_LEN(tellers); i++) {
			if (!(t->marks[service] & tellers[i].mark))
				continue;
			if (!tellers[i].flush(t, service))
				return;
			t->marks[service] &= (uint8_t)~tellers[i].mark;
		}
		t->mark_count--;
	}
}
