// SPDX-License-Identifier: Apache-2.0
/* Charges an instance for the work of hearing it. An instance that costs too much is not heard for
 * a while. */
#include <sys/epoll.h>

#include "runtime/base/clock.h"
#include "runtime/ipc/guests.h"

uint64_t guest_begin(struct ipc *ipc, const struct guest *g)
{
	atomic_store(board_hearing(ipc->board), (uint64_t)g->generation << 32 | (g->slot + 1));
	return clock_thread_ns();
}

/* Stops hearing an instance for a while. Without memory for a timer the instance is heard on, and
 * its debt grows. */
static void pause_guest(struct ipc *ipc, struct guest *g, uint64_t until_ns)
{
	struct connection *c;

	if (loop_timer_at(ipc->loop, &g->resume, until_ns) < 0)
		return;
	loop_unwatch(ipc->loop, &g->listener);
	chain_each(c, &g->connections, in_guest)
		loop_unwatch(ipc->loop, &c->watch);
	g->paused = true;
}

void guest_on_resume(struct timer *resume)
{
	struct guest *g = container_of(resume, struct guest, resume);
	struct connection *c;

	g->paused = false;
	(void)loop_watch(g->ipc->loop, &g->listener, EPOLLIN);
	chain_each(c, &g->connections, in_guest)
		(void)loop_watch(g->ipc->loop, &c->watch, EPOLLIN);
}

void guest_end(struct ipc *ipc, struct guest *g, uint64_t begun_ns)
{
	uint64_t work_ns = clock_thread_ns() - begun_ns, now_ns = clock_mono_ns();
	uint64_t rest_ns = pace_worked(&g->work, work_ns, now_ns);

	atomic_store(board_hearing(ipc->board), 0);
	atomic_fetch_add(&board_tally(ipc->board, g->slot)->work_ns, work_ns);
	if (rest_ns == 0 || g->paused)
		return;
	if (pace_is_overdrawn(&g->work)) {
		rest_ns = rest_ns > PAUSE_NS ? rest_ns : PAUSE_NS;
		atomic_fetch_add(&board_tally(ipc->board, g->slot)->paused, 1);
	}
	pause_guest(ipc, g, now_ns + rest_ns);
}
