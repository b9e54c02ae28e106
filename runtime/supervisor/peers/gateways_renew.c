// SPDX-License-Identifier: Apache-2.0
/*
 * Seats and lanes: which gateway runs where, and one that gives its lane to another at an upgrade.
 * The new one accepts on the same listeners before the old one stops, so no connection waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/peers/gateways_inside.h"
#include "runtime/supervisor/programs/ring.h"
#include "runtime/wire/stats.h"

#define ACCESS_PIPE_BYTES (1 << 20)
#define RENEW_AGAIN_NS    NS_PER_SEC

uint32_t gateways_seats(uint32_t count)
{
	return 2 * count < GATEWAYS_MAX ? 2 * count : GATEWAYS_MAX;
}

/* ---- files ---- */

/* A file of this gateway, under a name of its own with this number. */
static int keep_file(struct gateway *g, const char *what, uint32_t n, int fd)
{
	char name[ESTATE_NAME_SIZE];

	(void)text_format(name, sizeof(name), "%s.%s%u", g->name, what, n);
	return estate_keep_file(g->all->options.host->estate, name, fd);
}

static int kept_file(const struct gateway *g, const char *what, uint32_t n)
{
	char name[ESTATE_NAME_SIZE];

	(void)text_format(name, sizeof(name), "%s.%s%u", g->name, what, n);
	return estate_file(g->all->options.host->estate, name);
}

static int make_access_pipe(struct gateway *g)
{
	int r;

	g->access_fds[0] = kept_file(g, "access", 0);
	g->access_fds[1] = kept_file(g, "access", 1);
	if (g->access_fds[0] >= 0 && g->access_fds[1] >= 0)
		return 0;
	fd_close(&g->access_fds[0]);
	fd_close(&g->access_fds[1]);
	if (pipe2(g->access_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* the default of 64 KiB does too, only sooner */
	(void)fcntl(g->access_fds[1], F_SETPIPE_SZ, ACCESS_PIPE_BYTES);
	r = keep_file(g, "access", 0, g->access_fds[0]);
	return r < 0 ? r : keep_file(g, "access", 1, g->access_fds[1]);
}

static int make_stats(struct gateway *g)
{
	int r;

	g->stats_fd = kept_file(g, "stats", 0);
	if (g->stats_fd >= 0)
		return 0;
	r = stats_create(&g->stats_fd);
	return r < 0 ? r : keep_file(g, "stats", 0, g->stats_fd);
}

/* They stay when the gateway ends: the next one in this seat goes on with them. */
static int make_files(struct gateway *g)
{
	bool first = g->stats_fd < 0 || g->access_fds[0] < 0;
	int r = g->stats_fd < 0 ? make_stats(g) : 0;

	if (r == 0 && g->access_fds[0] < 0)
		r = make_access_pipe(g);
	if (r == 0 && first && g->all->told_ready)
		g->all->options.on_files(g->all->options.self, g->index);
	return r;
}

/* ---- starting one ---- */

static int make_ring(struct daemon *d, int *extra_fd)
{
	struct gateway *g = d->self;

	return gateway_ring(&g->ring, extra_fd);
}

/* The ebbd before may have died with a READY that it had not noted yet. */
static void on_adopted(struct daemon *d)
{
	struct gateway *g = d->self;

	g->adopted = true;
	d->link.phase |= PHASE_STARTING | PHASE_SERVING;
	d->stopping = d->link.phase & PHASE_RETIRING;
}

static int start_seat(struct gateway *g, struct fault *f)
{
	struct program program = g->all->program;
	int r = make_files(g);

	program.prepare = make_ring;
	program.on_adopted = on_adopted;
	g->daemon.stopping = false;
	if (r < 0)
		return fault_errno(f, r, "cannot make the counters of a gateway");
	return daemon_start(&g->daemon, &program, g->all->options.host, f);
}

static bool retires(const struct gateway *g)
{
	return daemon_runs(&g->daemon) && g->daemon.link.phase & PHASE_RETIRING;
}

static bool accepts(const struct gateway *g)
{
	return daemon_runs(&g->daemon) && !retires(g);
}

/* Of two that run the newer one serves. */
static bool goes_before(const struct gateway *g, const struct gateway *other)
{
	return accepts(g) && (!accepts(other) || g->daemon.upgrade > other->daemon.upgrade);
}

/* A seat of the lane in which nobody is, nor comes back soon, or NULL. */
static struct gateway *free_seat(struct gateways *all, uint32_t lane)
{
	for (uint32_t n = lane; n < all->seats; n += all->lanes)
		if (!daemon_is_wanted(&all->gateway[n].daemon))
			return &all->gateway[n];
	return NULL;
}

static int open_listeners(struct gateway *g, struct fault *f)
{
	const struct config *c = g->all->options.host->config;

	for (uint32_t n = 0; n < c->listener_count; n++) {
		int r = gateways_listener(g, c->listeners[n], f);

		if (r < 0)
			return r;
		g->listener_fds[n] = r;
	}
	gateways_close_unnamed(g);
	return 0;
}

/* Every seat of the lane in which an earlier ebbd left a gateway, or else the first. */
int gateways_open_lane(struct gateways *all, uint32_t lane, struct fault *f)
{
	struct gateway *first = &all->gateway[lane];
	const struct estate *estate = all->options.host->estate;
	int r = open_listeners(first, f);

	all->serves[lane] = lane;
	for (uint32_t n = lane; r == 0 && n < all->seats; n += all->lanes) {
		struct gateway *g = &all->gateway[n];

		if (programs_has(estate, g->name))
			r = start_seat(g, f);
		if (r == 0 && n != lane && goes_before(g, gateways_serving(all, lane)))
			all->serves[lane] = n;
	}
	if (r < 0 || accepts(gateways_serving(all, lane)))
		return r;
	first = free_seat(all, lane); /* one that retires beside it serves nobody new */
	if (!first)
		return 0;
	all->serves[lane] = first->index;
	return start_seat(first, f);
}

/* ---- another one takes a lane over ---- */

static void on_deadline(struct timer *t)
{
	struct gateway *g = container_of(t, struct gateway, deadline);
	const struct program_host *host = g->all->options.host;

	if (!daemon_runs(&g->daemon))
		return;
	if (g->told_to_drain) {
		daemon_kill(&g->daemon);
		g->all->program.on_ended(&g->daemon);
		return;
	}
	g->told_to_drain = true;
	log_info("event=gateway_drains program=%s cause=\"it was replaced upgrade_drain_ms ago\"",
		 g->name);
	daemon_send(&g->daemon, WIRE_GATEWAY_DRAIN, NULL, 0, NULL, 0);
	(void)loop_timer_at(host->loop, &g->deadline,
			    clock_mono_ns() + host->config->drain_ms * NS_PER_MS);
}

void gateways_retire_again(struct gateway *g)
{
	const struct program_host *host = g->all->options.host;

	g->told_to_drain = false;
	g->daemon.stopping = true;
	daemon_phase(&g->daemon, g->daemon.link.phase | PHASE_RETIRING);
	g->deadline = (struct timer){.on_due = on_deadline, .name = "gateways_renew on_deadline"};
	daemon_send(&g->daemon, WIRE_GATEWAY_RETIRE, NULL, 0, NULL, 0);
	(void)loop_timer_at(host->loop, &g->deadline,
			    clock_mono_ns() + host->config->upgrade_drain_ms * NS_PER_MS);
}

void gateways_took_over(struct gateway *g)
{
	struct gateway *old = gateways_serving(g->all, g->lane);

	if (old == g) {
		if (g->all->told_ready)
			gateways_renew(g->all);
		return;
	}
	g->all->serves[g->lane] = g->index;
	log_info("event=gateway_replaced program=%s by=%s", old->name, g->name);
	if (!daemon_runs(&old->daemon)) {
		daemon_stop(&old->daemon); /* it was to be started again */
		return;
	}
	gateways_retire_again(old);
	gateways_renew(g->all);
}

/* The one that serves the lane is of another version, or will serve nobody new. */
static bool is_to_change(const struct gateway *g, uint32_t upgrades)
{
	if (!daemon_runs(&g->daemon))
		return !daemon_is_wanted(&g->daemon);
	return retires(g) || g->daemon.upgrade != upgrades;
}

static void renew_later(struct gateways *all)
{
	(void)loop_timer_at(all->options.host->loop, &all->renewal,
			    clock_mono_ns() + RENEW_AGAIN_NS);
}

void gateways_renew(struct gateways *all)
{
	uint32_t now = atomic_load(&estate_words(all->options.host->estate)->upgrades);
	char text[FAULT_TEXT_SIZE];

	for (uint32_t lane = 0; lane < all->lanes && !all->stopping; lane++) {
		struct gateway *g = gateways_serving(all, lane), *next;
		struct fault fault = {0};

		if (!is_to_change(g, now))
			continue;
		next = free_seat(all, lane);
		if (!next)
			continue;
		if (start_seat(next, &fault) < 0) {
			log_error("event=not_replaced program=%s cause=\"%s\"", g->name,
				  fault_text(&fault, text));
			renew_later(all);
		}
		return; /* the next lane when this one has changed hands */
	}
}
