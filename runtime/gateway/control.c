// SPDX-License-Identifier: Apache-2.0
/*
 * The channel to ebbd: one table of what it may tell us, and the few things we tell it. Those are
 * kept as marks until the loop waits, so that a burst of requests says them once; when the channel
 * is full the marks stay and are told as soon as there is room.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/gateway/choice.h"
#include "runtime/gateway/proxy.h"

static int on_route_put(void *self, struct wire_message *m)
{
	struct proxy *p = self;
	const struct wire_route_put *record = (const void *)m->record;
	int r = routes_put(&p->routes, record);

	if (r < 0)
		return r;
	blame_forget(p, record->index);
	stats_name(&p->account.stats->services[record->index], record->name);
	dispatch_service_queue(p, record->index);
	return 0;
}

static int on_route_del(void *self, struct wire_message *m)
{
	struct proxy *p = self;
	const struct wire_route_del *record = (const void *)m->record;
	int r = routes_del(&p->routes, record->index);
	struct service *s;

	if (r < 0)
		return r;
	blame_forget(p, record->index);
	s = &p->routes.services[record->index];
	choice_forget(s);
	/* What is open on its instances may finish, but whoever gets this index next gets none of
	 * them. */
	s->first_instance = 0;
	dispatch_service_gone(p, record->index);
	return 0;
}

static int on_instance_up(void *self, struct wire_message *m)
{
	struct proxy *p = self;
	const struct wire_instance_up *up = (const void *)m->record;
	int r;

	if (m->fd_count != up->socket_count + 1)
		return -EPROTO;
	r = instances_up(&p->instances, &p->routes, up, m->fds, proxy_now(p));
	if (r < 0)
		return r;
	p->routes.services[up->service].record.ups = up->ups;
	p->routes.services[up->service].need_told = 0; /* ebbd counts anew with each */
	dispatch_service_queue(p, up->service);
	queue_tell(p, up->service);
	return 0;
}

static int on_instance_down(void *self, struct wire_message *m)
{
	dispatch_instance_down(self, (const void *)m->record);
	return 0;
}

static int on_instance_drain(void *self, struct wire_message *m)
{
	const struct wire_instance_drain *record = (const void *)m->record;

	struct proxy *p = self;
	struct instance *i = instances_get(&p->instances, record->slot, record->generation);

	tunnel_instance_drain(self, record->slot, record->generation, record->all);
	if (i) { /* a server waits for its connections before it ends */
		i->draining = true;
		upstream_empty_pool(p, i);
	}
	return 0;
}

static int on_routes_known(void *self, struct wire_message *m)
{
	struct proxy *p = self;

	p->routes_known = true;
	return 0;
}

static int on_queue(void *self, struct wire_message *m)
{
	room_on_answer(self, (const void *)m->record);
	return 0;
}

static int on_pool_drop(void *self, struct wire_message *m)
{
	struct proxy *p = self;
	const struct wire_pool_drop *record = (const void *)m->record;
	struct instance *i = instances_get(&p->instances, record->slot, record->generation);

	if (!i)
		return 0;
	i->pool_from_ns = proxy_now(p) + record->for_ms * NS_PER_MS;
	p->count.pool_drops++;
	upstream_empty_pool(p, i);
	return 0;
}

static int on_sockets(void *self, struct wire_message *m)
{
	struct proxy *p = self;
	const struct wire_sockets *record = (const void *)m->record;
	struct instance *i = instances_get(&p->instances, record->slot, record->generation);

	if (!i)
		return 0; /* it went down meanwhile */
	i->asked_sockets = false;
	instances_stock(i, m->fds, m->fd_count);
	dispatch_waiters(p, i);
	return 0;
}

static int on_start_failed(void *self, struct wire_message *m)
{
	struct proxy *p = self;
	const struct wire_start_failed *record = (const void *)m->record;

	if (record->service >= SERVICES_MAX || !text_terminated(record->text, sizeof(record->text)))
		return -EINVAL;
	dispatch_start_failed(p, record);
	return 0;
}

static int on_ban(void *self, struct wire_message *m)
{
	const struct wire_ban *record = (const void *)m->record;

	if (record->service >= SERVICES_MAX || !text_terminated(record->text, sizeof(record->text)))
		return -EINVAL;
	blame_put(self, record);
	return 0;
}

static int on_drain(void *self, struct wire_message *m)
{
	client_drain(self);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_ROUTE_PUT, sizeof(struct wire_route_put), 1, 0, 0, on_route_put},
	{WIRE_ROUTE_DEL, sizeof(struct wire_route_del), 1, 0, 0, on_route_del},
	{WIRE_INSTANCE_UP, sizeof(struct wire_instance_up), 1, 1, WIRE_FDS_MAX, on_instance_up},
	{WIRE_INSTANCE_DRAIN, sizeof(struct wire_instance_drain), 1, 0, 0, on_instance_drain},
	{WIRE_INSTANCE_DOWN, sizeof(struct wire_instance_down), 1, 0, 0, on_instance_down},
	{WIRE_SOCKETS, sizeof(struct wire_sockets), 1, 0, WIRE_FDS_MAX, on_sockets},
	{WIRE_START_FAILED, sizeof(struct wire_start_failed), 1, 0, 0, on_start_failed},
	{WIRE_GATEWAY_DRAIN, 0, 1, 0, 0, on_drain},
	{WIRE_BAN, sizeof(struct wire_ban), 1, 0, 0, on_ban},
	{WIRE_ROUTES_KNOWN, 0, 1, 0, 0, on_routes_known},
	{WIRE_QUEUE, sizeof(struct wire_queue), 1, 0, 0, on_queue},
	{WIRE_POOL_DROP, sizeof(struct wire_pool_drop), 1, 0, 0, on_pool_drop},
};

static void arm(struct proxy *p, enum loop_op op, unsigned int events)
{
	struct io_uring_sqe *sqe = loop_sqe(p->io.loop, op, 0, 0);
	uint64_t user_data = sqe->user_data;

	io_uring_prep_poll_add(sqe, p->control_fd, events);
	sqe->user_data = user_data;
}

int control_init(struct proxy *p)
{
	int flags = fcntl(p->control_fd, F_GETFL);

	if (flags < 0 || fcntl(p->control_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	arm(p, LOOP_CONTROL, POLLIN);
	return 0;
}

void control_on_readable(void *self, const struct loop_event *e)
{
	struct proxy *p = self;
	struct wire_message m;
	int r;

	while ((r = wire_recv(p->control_fd, &m)) == 1) {
		r = wire_dispatch(rules, ARRAY_LEN(rules), 1, p, &m);
		if (r < 0) {
			log_error("event=bad_record type=%s error=\"%s\"",
				  wire_type_name(m.head.type), strerror(-r));
			break;
		}
	}
	if (r == -EAGAIN) {
		arm(p, LOOP_CONTROL, POLLIN);
		return;
	}
	log_info("event=channel_closed reason=\"%s\"", r ? strerror(-r) : "ebbd is gone");
	p->io.loop->stop = true;
}

/* True if it was sent or never will be; false when the channel is full. */
static bool tell(struct proxy *p, uint32_t type, const void *record, size_t size)
{
	int r;

	if (p->control_blocked)
		return false;
	r = wire_send(p->control_fd, type, record, size, NULL, 0);
	if (r != -EAGAIN)
		return true;
	p->control_blocked = true;
	arm(p, LOOP_CONTROL_OUT, POLLOUT);
	return false;
}

void control_on_writable(void *self, const struct loop_event *e)
{
	struct proxy *p = self;

	p->control_blocked = false;
}

enum mark { MARK_NEED = 1, MARK_CHOICE = 2 };

static void mark(struct proxy *p, uint32_t service, enum mark what)
{
	if (p->marks[service] == 0)
		p->marked[p->mark_count++] = service;
	p->marks[service] |= what;
}

void control_need_instance(struct proxy *p, uint32_t service)
{
	mark(p, service, MARK_NEED);
}

void control_choice(struct proxy *p, uint32_t service)
{
	mark(p, service, MARK_CHOICE);
}

void control_need_sockets(struct proxy *p, struct instance *i)
{
	struct wire_need_sockets need = {.slot = i->slot, .generation = i->generation};

	if (i->asked_sockets)
		return;
	/* A few; but where they ran out, twice as many as went, so that a busy pool asks seldom.
	 * The stock of a slow one so stays small: there may be a thousand of them. */
	need.count = STOCK_REFILL;
	if (i->stock_count <= 1 && i->used_sockets * 2 > need.count)
		need.count = i->used_sockets * 2;
	if (need.count > STOCK_MAX - i->stock_count)
		need.count = STOCK_MAX - i->stock_count;
	if (need.count == 0 || !tell(p, WIRE_NEED_SOCKETS, &need, sizeof(need)))
		return; /* the next connection asks again */
	i->asked_sockets = true;
	i->used_sockets = 0;
}

bool control_queue_get(struct proxy *p, const struct instance *i, uint32_t waited_ms)
{
	struct wire_queue_get get = {
		.slot = i->slot, .generation = i->generation, .waited_ms = waited_ms};

	return tell(p, WIRE_QUEUE_GET, &get, sizeof(get));
}

bool control_blame(struct proxy *p, const struct wire_blame *blame)
{
	return tell(p, WIRE_BLAME, blame, sizeof(*blame));
}

void control_cleared(struct proxy *p, uint32_t service, uint64_t kind)
{
	struct wire_cleared record = {.kind = kind, .service = service};

	(void)tell(p, WIRE_CLEARED, &record, sizeof(record));
}

void control_suspect(struct proxy *p, const struct instance *i, int err)
{
	struct wire_instance_suspect suspect = {
		.slot = i->slot, .generation = i->generation, .error = err};

	(void)tell(p, WIRE_INSTANCE_SUSPECT, &suspect, sizeof(suspect));
}

static bool flush_need(struct proxy *p, uint32_t service)
{
	struct service *s = &p->routes.services[service];
	struct wire_need_instance need = {.service = service,
					  .queued = s->queued,
					  .ups = s->record.ups,
					  .refused_full = s->refused_full,
					  .refused_late = s->refused_late,
					  .refused_nacked = s->refused_nacked};

	if (!tell(p, WIRE_NEED_INSTANCE, &need, sizeof(need)))
		return false;
	s->refused_full = s->refused_late = s->refused_nacked = 0;
	s->need_told_ns = proxy_now(p);
	s->need_told = need.queued;
	return true;
}

static bool flush_choice(struct proxy *p, uint32_t service)
{
	struct service *s = &p->routes.services[service];

	s->choice.service = service;
	if (!tell(p, WIRE_CHOICE, &s->choice, sizeof(s->choice)))
		return false;
	memset(s->choice.made, 0, sizeof(s->choice.made));
	s->choice_told_ns = proxy_now(p);
	return true;
}

static const struct {
	enum mark mark;
	bool (*flush)(struct proxy *p, uint32_t service);
} tellers[] = {
	{MARK_NEED, flush_need},
	{MARK_CHOICE, flush_choice},
};

void control_flush(struct proxy *p)
{
	while (p->mark_count > 0) {
		uint32_t service = p->marked[p->mark_count - 1];

		for (size_t i = 0; i < ARRAY_LEN(tellers); i++) {
			if (!(p->marks[service] & tellers[i].mark))
				continue;
			if (!tellers[i].flush(p, service))
				return;
			p->marks[service] &= (uint8_t)~tellers[i].mark;
		}
		p->mark_count--;
	}
}
