// SPDX-License-Identifier: Apache-2.0
#include "runtime/ipc/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/ipc/guests.h"

enum phase { PHASE_NEW = 1, PHASE_SERVING = 2 };

/* ---- records of ebbd ---- */

static int on_config(void *self, struct wire_message *m)
{
	struct ipc *ipc = self;
	int r = board_open(m->fds[0], &ipc->board);

	if (r == 0)
		r = holds_new(ipc->board, &ipc->holds);
	if (r < 0)
		return r;
	ipc->doorbell_fd = keep_fd(&m->fds[1]);
	ipc->control.phase = PHASE_SERVING;
	return wire_link_send(&ipc->control, WIRE_IPC_READY, NULL, 0, NULL, 0);
}

static int on_up(void *self, struct wire_message *m)
{
	return guest_up(self, (const void *)m->record, m->fds);
}

static int on_down(void *self, struct wire_message *m)
{
	struct ipc *ipc = self;
	const struct wire_ipc_down *down = (const void *)m->record;
	struct guest *g = guest_get(ipc, down->slot, down->generation);

	if (g)
		guest_down(ipc, g);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_IPC_CONFIG, 0, PHASE_NEW, 2, 2, on_config},
	{WIRE_IPC_UP, sizeof(struct wire_ipc_up), PHASE_SERVING, 3, 3, on_up},
	{WIRE_IPC_DOWN, sizeof(struct wire_ipc_down), PHASE_SERVING, 0, 0, on_down},
};

/* The link to ebbd has ended. err is 0 when ebbd is gone, which is no error (link.h). */
static void on_lost(struct wire_link *link, int err)
{
	struct ipc *ipc = link->self;

	loop_stop(ipc->loop, err);
}

/* ---- deadlines ---- */

static void set_timer(struct ipc *ipc, struct timer *t, uint64_t due_ns)
{
	if (due_ns == UINT64_MAX)
		loop_timer_off(ipc->loop, t);
	else if (!timer_is_armed(t) || t->due_ns != due_ns)
		(void)loop_timer_at(ipc->loop, t, due_ns);
}

/* Runs behind every event, because any event may have moved both deadlines. */
static void set_timers(void *self)
{
	struct ipc *ipc = self;
	uint64_t now_ns = loop_now_ns(ipc->loop);

	set_timer(ipc, &ipc->cut, ipc->holds ? holds_next_due_ns(ipc->holds) : UINT64_MAX);
	set_timer(ipc, &ipc->expiry, connections_expire(ipc, now_ns));
}

static void on_cut(struct timer *t)
{
	struct ipc *ipc = container_of(t, struct ipc, cut);

	guests_cut_due(ipc, loop_now_ns(ipc->loop));
}

static void on_expiry(struct timer *t)
{
	(void)t; /* the timer only wakes the loop: set_timers runs behind every event */
}

/* ---- life cycle ---- */

int ipc_run(struct ipc *ipc)
{
	return loop_run(ipc->loop);
}

int ipc_new(int control_fd, struct ipc **out)
{
	struct ipc *ipc = calloc(1, sizeof(*ipc));
	int r;

	if (!ipc)
		return -ENOMEM;
	ipc->doorbell_fd = ipc->spare_fd = -1;
	ipc->cut = (struct timer){.on_due = on_cut, .name = "ipc on_cut"};
	ipc->expiry = (struct timer){.on_due = on_expiry, .name = "ipc on_expiry"};
	chain_init(&ipc->unfinished);
	ipc->room.max = UNFINISHED_BYTES_MAX;
	ipc->open.max = CONNECTIONS_MAX;
	ipc->control =
		(struct wire_link){.name = "ebbd",
				   .rules = rules,
				   .rule_count = ARRAY_LEN(rules),
				   .phase = PHASE_NEW,
				   .self = ipc,
				   .lost = on_lost,
				   .burst = 1,
				   .first = true, /* so that no guest that is gone is heard */
				   .ends_on_failure = true};
	r = loop_new(&ipc->loop);
	if (r == 0)
		r = wire_link_open(&ipc->control, ipc->loop, control_fd);
	if (r == 0 && (ipc->spare_fd = fcntl(control_fd, F_DUPFD_CLOEXEC, 0)) < 0)
		r = -errno;
	if (r < 0) {
		ipc_free(ipc);
		return r;
	}
	loop_behind(ipc->loop, set_timers, ipc);
	*out = ipc;
	return 0;
}

void ipc_free(struct ipc *ipc)
{
	if (!ipc)
		return;
	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++)
		if (ipc->guests[slot])
			guest_down(ipc, ipc->guests[slot]);
	holds_free(ipc->holds);
	board_close(ipc->board);
	fd_close(&ipc->doorbell_fd);
	fd_close(&ipc->spare_fd);
	wire_link_close(&ipc->control);
	loop_free(ipc->loop);
	free(ipc);
}
