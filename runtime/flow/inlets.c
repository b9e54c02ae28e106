// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/inlets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/text.h"

#define WORK_PER_S (NS_PER_SEC / 5) /* of a CPU, for an instance */
#define WORK_MOST  NS_PER_SEC       /* in a burst, which comes in turns */

static const char full[] = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
			   "content-length: 76\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
			   "{\"error\":\"too many connections to queues are open: keep a few and "
			   "use them\"}";

static struct inlet *find(struct flow *f, uint32_t slot, uint32_t generation)
{
	struct inlet *i;

	chain_each(i, &f->inlets, all)
		if (i->slot == slot && i->generation == generation)
			return i;
	return NULL;
}

/* ---- what all may hold together ---- */

static struct inlet *with_most_bytes(struct flow *f)
{
	struct inlet *i, *most = NULL;

	chain_each(i, &f->inlets, all)
		if (!most || i->held > most->held)
			most = i;
	return most;
}

static struct inlet *with_most_connections(struct flow *f)
{
	struct inlet *i, *most = NULL;

	chain_each(i, &f->inlets, all)
		if (!most || i->open > most->open)
			most = i;
	return most;
}

static void end_largest(struct inlet *i)
{
	struct conn *c, *largest = NULL;

	chain_each(c, &i->conns, of_inlet)
		if (!largest || conn_held(c) > conn_held(largest))
			largest = c;
	if (largest)
		conn_end(largest);
}

/* The oldest one without a request in hand, or the oldest one. */
static void end_idle(struct inlet *i)
{
	struct conn *c, *found = NULL;

	chain_each(c, &i->conns, of_inlet)
		if (!found || (conn_held(found) > 0 && conn_held(c) == 0))
			found = c;
	if (found)
		conn_end(found);
}

bool inlet_has_room(struct inlet *i, size_t more)
{
	struct flow *f = i->flow;

	if (i->held + more > HELD_OF_INLET)
		return false;
	while (f->held_bytes + more > HELD_MAX) {
		struct inlet *most = with_most_bytes(f);

		if (most == i || most->held <= i->held + more)
			return false;
		end_largest(most);
	}
	return true;
}

static bool may_connect(struct inlet *i)
{
	struct inlet *most;

	if (i->open >= CONNS_OF_INLET)
		return false;
	if (i->flow->conn_count < CONNS_MAX)
		return true;
	most = with_most_connections(i->flow);
	if (most->open <= i->open + 1)
		return false;
	end_idle(most);
	return true;
}

/* ---- CPU time ---- */

/* Without memory for a timer the instance is heard on, and its debt grows. */
static void pause_inlet(struct inlet *i, uint64_t until_ns)
{
	struct conn *c;

	if (loop_timer_at(i->flow->loop, &i->resume, until_ns) < 0)
		return;
	for (uint32_t n = 0; n < i->count; n++)
		loop_unwatch(i->flow->loop, &i->doors[n].watch);
	chain_each(c, &i->conns, of_inlet)
		loop_unwatch(i->flow->loop, &c->watch);
	i->paused = true;
}

static void on_resume(struct timer *t)
{
	struct inlet *i = container_of(t, struct inlet, resume);
	struct conn *c;

	i->paused = false;
	for (uint32_t n = 0; n < i->count; n++)
		(void)loop_watch(i->flow->loop, &i->doors[n].watch, EPOLLIN);
	chain_each(c, &i->conns, of_inlet)
		conn_resume(c);
}

void inlet_worked(struct inlet *i, uint64_t work_ns)
{
	uint64_t now_ns = clock_mono_ns(), rest_ns = pace_worked(&i->pace, work_ns, now_ns);

	if (rest_ns > 0 && !i->paused)
		pause_inlet(i, now_ns + rest_ns);
}

/* ---- doors ---- */

static void take_connection(struct inlet_door *door)
{
	SCOPED_FD fd = accept4(door->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (may_connect(door->inlet))
		conn_begin(door, keep_fd(&fd));
	else
		(void)send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
}

static void on_door(struct watch *w, uint32_t events)
{
	struct inlet_door *door = container_of(w, struct inlet_door, watch);
	uint64_t begun_ns = clock_thread_ns();

	(void)events;
	take_connection(door);
	inlet_worked(door->inlet, clock_thread_ns() - begun_ns);
}

static void free_inlet(struct inlet *i)
{
	struct conn *c;

	chain_each(c, &i->conns, of_inlet)
		conn_end(c);
	for (uint32_t n = 0; n < i->count; n++) {
		loop_unwatch(i->flow->loop, &i->doors[n].watch);
		fd_close(&i->doors[n].watch.fd);
	}
	loop_timer_off(i->flow->loop, &i->resume);
	chain_remove(&i->all);
	free(i);
}

static bool record_ok(const struct flow *f, const struct wire_bindings *r, unsigned int fd_count)
{
	(void)f;
	if (r->slot >= INSTANCES_MAX || r->count != fd_count || r->count > BINDINGS_MAX ||
	    !text_terminated(r->service, sizeof(r->service)))
		return false;
	for (uint32_t n = 0; n < r->count; n++)
		if (r->list[n].kind != WIRE_BINDING_QUEUES ||
		    !text_terminated(r->list[n].service, sizeof(r->list[n].service)))
			return false;
	return true;
}

static int open_door(struct inlet *i, const struct wire_binding *to, int *fd)
{
	struct inlet_door *door = &i->doors[i->count++];

	door->inlet = i;
	door->watch =
		(struct watch){.fd = keep_fd(fd), .on_ready = on_door, .name = "flow on_door"};
	(void)text_copy(door->space, sizeof(door->space), to->service);
	return loop_watch(i->flow->loop, &door->watch, EPOLLIN);
}

int inlets_put(struct flow *f, const struct wire_bindings *record, int *fds, unsigned int fd_count)
{
	struct inlet *i;
	int r = 0;

	if (!record_ok(f, record, fd_count))
		return -EPROTO;
	if (find(f, record->slot, record->generation))
		return 0; /* said twice, at the start of this process */
	i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	chain_init(&i->all);
	chain_init(&i->conns);
	i->flow = f;
	i->pace = pace_of(WORK_PER_S, WORK_MOST);
	i->resume = (struct timer){.on_due = on_resume, .name = "flow on_resume"};
	i->slot = record->slot;
	i->generation = record->generation;
	(void)text_copy(i->service, sizeof(i->service), record->service);
	chain_add_last(&f->inlets, &i->all);
	for (uint32_t n = 0; r == 0 && n < record->count; n++)
		r = open_door(i, &record->list[n], &fds[n]);
	if (r < 0)
		free_inlet(i);
	return r;
}

void inlets_gone(struct flow *f, uint32_t slot, uint32_t generation)
{
	struct inlet *i = find(f, slot, generation);

	if (i)
		free_inlet(i);
}

void inlets_free(struct flow *f)
{
	struct inlet *i;

	chain_each(i, &f->inlets, all)
		free_inlet(i);
}

void inlets_answer(struct flow *f, int result, uint64_t work_ns)
{
	struct chain waiting, *link;
	uint32_t count = 0;
	struct conn *c;

	chain_init(&waiting);
	chain_take_all(&f->answers, &waiting);
	chain_each(c, &waiting, answer)
		count++;
	while ((link = chain_take_first(&waiting)) != NULL) {
		struct inlet *i = container_of(link, struct conn, answer)->door->inlet;
		uint64_t begun_ns = clock_thread_ns();

		conn_flush(container_of(link, struct conn, answer), result);
		inlet_worked(i, work_ns / count + clock_thread_ns() - begun_ns);
	}
}
