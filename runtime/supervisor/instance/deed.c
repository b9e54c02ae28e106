// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/deed.h"

#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

/* clang-format off */
/* The fields that both have, by name. */
#define SAME(X) \
	X(armed) X(cgroup) X(log_fd) X(service) X(slot) X(generation) X(was_ready) \
	X(stop_wanted) X(exit_known) X(unresponsive) X(outstayed) X(wire_asked) X(cause) X(detail) \
	X(deadline_ns) X(grace_ns) X(frozen_ns) X(frozen_sum_ns) X(freezes) X(ready_ns) \
	X(memory_bytes) X(opened_ns) X(started_us) X(init_cpu_us) X(read_awake_ns) \
	X(read_at_ns) X(background_ns) X(background_to_ns) X(wake_ns) X(before) X(wire_before) \
	X(last)
/* clang-format on */

void deed_write(const struct instance *i)
{
	struct deed d = {.spec = i->spec->row,
			 .state = (uint32_t)i->state,
			 .by_hand = i->idle.by_hand,
			 .behind = i->load.precedence.behind,
			 .idle_since_ns = i->idle.since_ns,
			 .worked_ns = i->idle.worked_ns,
			 .spent_ns = i->idle.spent_ns,
			 .timer_thaws = i->idle.timer_thaws,
			 .by_wake = i->idle.by_wake,
			 .wakes = i->idle.wakes,
			 .wakes_late = i->idle.wakes_late};

	if (!i->ground->estate || i->opened_ns == 0 || i->state == INSTANCE_GONE)
		return;
#define X(field) d.field = i->field;
	SAME(X)
#undef X
	memcpy(d.binding_fds, i->binding_fds, sizeof(d.binding_fds));
	memcpy(d.id, i->id, sizeof(d.id));
	memcpy(d.why, i->why, sizeof(d.why));
	memcpy(d.fault, i->fault, sizeof(d.fault));
	estate_write(i->ground->estate, ESTATE_INSTANCES, i->slot, &d);
}

void deed_clear(const struct instance *i)
{
	if (i->ground->estate)
		estate_clear(i->ground->estate, ESTATE_INSTANCES, i->slot);
}

const struct deed *deed_read(const struct estate *estate, uint32_t slot)
{
	return estate_read(estate, ESTATE_INSTANCES, slot);
}

static void each_fd(const struct deed *d, void (*fn)(void *ctx, int fd), void *ctx)
{
	const int fds[] = {d->log_fd,           d->armed.pid_fd,     d->armed.control_fd,
			   d->armed.user_ns_fd, d->armed.net_ns_fd,  d->armed.ipc_fd,
			   d->cgroup.dir_fd,    d->cgroup.freeze_fd, d->cgroup.events_fd,
			   d->cgroup.stat_fd};

	for (size_t n = 0; n < ARRAY_LEN(fds); n++)
		if (fds[n] >= 0)
			fn(ctx, fds[n]);
	for (size_t n = 0; n < BINDINGS_MAX; n++)
		if (d->binding_fds[n] >= 0)
			fn(ctx, d->binding_fds[n]);
}

void deeds_each_fd(const struct estate *estate, void (*fn)(void *ctx, int fd), void *ctx)
{
	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++)
		if (deed_read(estate, slot))
			each_fd(deed_read(estate, slot), fn, ctx);
}

bool deeds_mean_cgroup(const struct estate *estate, const char *path)
{
	for (uint32_t slot = 0; slot < INSTANCES_MAX; slot++) {
		const struct deed *d = deed_read(estate, slot);

		if (d && strcmp(d->cgroup.path, path) == 0)
			return true;
	}
	return false;
}

void deed_give(const struct deed *d, struct instance *i)
{
	must(d->slot < INSTANCES_MAX && d->opened_ns > 0);
#define X(field) i->field = d->field;
	SAME(X)
#undef X
	memcpy(i->binding_fds, d->binding_fds, sizeof(i->binding_fds));
	memcpy(i->id, d->id, sizeof(i->id));
	memcpy(i->why, d->why, sizeof(i->why));
	memcpy(i->fault, d->fault, sizeof(i->fault));
	i->idle.by_hand = d->by_hand;
	i->load.precedence.behind = d->behind;
	i->idle.since_ns = d->idle_since_ns;
	i->idle.worked_ns = d->worked_ns;
	i->idle.spent_ns = d->spent_ns;
	i->idle.timer_thaws = d->timer_thaws;
	i->idle.by_wake = d->by_wake;
	i->idle.wakes = d->wakes;
	i->idle.wakes_late = d->wakes_late;
	i->announced = true;
	i->closed = d->last.reason == METER_AT_CLOSE;
}

void deed_end(struct estate *estate, const struct deed *row)
{
	struct deed d = *row;

	estate_clear(estate, ESTATE_INSTANCES, d.slot);
	(void)cgroup_thaw(&d.cgroup);
	(void)cgroup_kill(&d.cgroup);
	armed_fini(&d.armed);
	fd_close(&d.log_fd);
	for (size_t n = 0; n < BINDINGS_MAX; n++)
		fd_close(&d.binding_fds[n]);
	cgroup_fini(&d.cgroup);
}
