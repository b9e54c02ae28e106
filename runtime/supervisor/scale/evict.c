// SPDX-License-Identifier: Apache-2.0
/*
 * Frozen instances stay until their room is wanted: a place (instances_max), memory of ebb's budget
 * (memory_max_mb) or of the host (memory_reserve_mb, pressure). The least recently used goes first;
 * never one with work, with a sleeping WebSocket, or that minInstances asks for.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/decide/policy.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"
#include "runtime/supervisor/scale/evict.h"
#include "runtime/supervisor/scale/fleet_inside.h"

/* The assumed need of a service's first instance, because no instance was measured yet. */
#define UNSEEN_BYTES (UINT64_C(64) << 20)
/* The trigger: stalls for memory of 200 ms within 2 s (Documentation/accounting/psi.rst). A cgroup
 * that reclaims at its own limit stalls on an empty host, too, so a stall matters only while less
 * than one part in SCARCE_PART of the memory is left. */
#define PRESSURE_FILE    "/proc/pressure/memory"
#define PRESSURE_TRIGGER "some 200000 2000000"
#define SCARCE_PART      10
/* An instance that has been idle for less than this is about to freeze, because a learned grace is
 * a second at most. Something keeps awake an instance that has been idle for longer. */
#define SOON_NS (GRACE_MOST_NS + GRACE_MOST_NS / 2)

/* The memory in use, and the memory and places that leaving instances will give back. */
struct room {
	uint64_t used_bytes, going_bytes;
	uint32_t going, gone; /* gone: at once */
};

static uint64_t needed_bytes(const struct service *s)
{
	uint64_t most_bytes = (uint64_t)s->spec->put.memory_mb << 20;
	uint64_t bytes = s->demand.memory_bytes ? s->demand.memory_bytes : UNSEEN_BYTES;

	return bytes < most_bytes ? bytes : most_bytes;
}

/* A frozen one does not change; a starting one is counted with its need. */
static uint64_t bytes_of(struct instance *i)
{
	const struct service *s = services_at(i->ground->services, i->service);
	uint64_t bytes = 0;

	if (i->state == INSTANCE_FROZEN && i->memory_bytes)
		return i->memory_bytes;
	if (i->cgroup.dir_fd >= 0)
		(void)cgroup_memory_bytes(i->ground->tree, &i->cgroup, &bytes);
	if (s && s->spec && !instance_is_up(i) && !i->stop_wanted && !i->ahead &&
	    bytes < needed_bytes(s))
		bytes = needed_bytes(s);
	return bytes;
}

static struct room count_room(struct fleet *f)
{
	struct room room = {0};
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground) {
		uint64_t bytes = bytes_of(i);

		room.used_bytes += bytes;
		if (!i->stop_wanted)
			continue;
		room.going++;
		room.going_bytes += bytes;
	}
	return room;
}

void evict_note(struct instance *i)
{
	struct service *s = services_at(i->ground->services, i->service);

	if (cgroup_memory_bytes(i->ground->tree, &i->cgroup, &i->memory_bytes) == 0 && s)
		s->demand.memory_bytes = i->memory_bytes;
}

/* ---- candidates ---- */

/* Counts once for a whole choice: with thousands of instances, each of them cannot count the
 * others. */
static void count_live(struct fleet *f)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		i->spec->live = 0;
	chain_each(i, &f->ground.instances, in_ground)
		i->spec->live += !i->ahead && !i->stop_wanted && instance_is_up(i);
}

/* The instance has nothing to do, and more than minInstances serve. After count_live. */
static bool is_spare(const struct instance *i)
{
	struct board *board = i->ground->board;
	board_word w = board_load(board, i->slot);

	return board_tickets(w) + board_holds(w) == 0 && i->execs == 0 &&
	       board_sleeping(board, i->slot) == 0 && i->spec->live > i->spec->put.instances_min;
}

/* Awake without work for longer than any grace. An instance that keeps itself awake has no claim on
 * room that others need. Only a lock is a claim, because another process may wait for the lock. */
static bool is_idle_for_long(const struct instance *i)
{
	struct board_slot *slot = board_slot(i->ground->board, i->slot);
	uint64_t set_ns = i->spec->put.freeze_after_ms * NS_PER_MS;

	return i->idle.look.lock.pid == 0 && clock_mono_ns() - atomic_load(&slot->idle_since_ns) >
						     (set_ns > SOON_NS ? set_ns : SOON_NS);
}

static bool may_go(const struct instance *i, const struct spec *wanted)
{
	if (i->spec == wanted || i->stop_wanted)
		return false;
	if (i->state == INSTANCE_PREPARED || i->state == INSTANCE_WAITING)
		return i->ahead;
	if (i->state == INSTANCE_RUNNING)
		return is_idle_for_long(i) && is_spare(i);
	return i->state == INSTANCE_FROZEN &&
	       board_state_of(board_load(i->ground->board, i->slot)) == BOARD_FROZEN && is_spare(i);
}

/* An instance made ahead of need goes before all others: nobody has used it yet. */
static uint64_t used_ns(const struct instance *i)
{
	struct board *board = i->ground->board;

	return i->ahead ? 0 : atomic_load(&board_slot(board, i->slot)->idle_since_ns);
}

/* Frozen instances go before awake ones. */
static bool goes_before(const struct instance *a, const struct instance *b)
{
	if ((a->state == INSTANCE_RUNNING) != (b->state == INSTANCE_RUNNING))
		return b->state == INSTANCE_RUNNING;
	return used_ns(a) < used_ns(b);
}

static struct instance *least_recently_used(struct fleet *f, const struct spec *wanted)
{
	struct instance *least = NULL, *i;

	count_live(f);
	chain_each(i, &f->ground.instances, in_ground)
		if (may_go(i, wanted) && (!least || goes_before(i, least)))
			least = i;
	return least;
}

/* False if nobody may go. */
static bool evict_one(struct fleet *f, const struct spec *wanted, struct room *room,
		      const char *cause)
{
	struct instance *i = least_recently_used(f, wanted);
	uint32_t count = f->ground.count;
	uint64_t bytes;

	if (!i)
		return false;
	must(i->spec != wanted && !i->stop_wanted);
	bytes = bytes_of(i);
	if (!i->ahead)
		instance_say(i, WIRE_EVENT_INSTANCE_EVICTED,
			     "%s and unused for %" PRIu64 " ms, gives back %" PRIu64 " MiB: %s%s%s",
			     i->state == INSTANCE_RUNNING ? "awake" : "frozen",
			     (clock_mono_ns() - used_ns(i)) / NS_PER_MS, bytes >> 20, cause,
			     wanted ? " for service " : "", wanted ? wanted->put.name : "");
	stop_drain(i);
	if (f->ground.count < count) {
		room->gone++; /* it had no sandbox yet */
	} else {
		room->going++;
		room->going_bytes += bytes;
	}
	return true;
}

/* ---- room that is wanted ---- */

/* A line of /proc/meminfo, which counts in KiB. */
static uint64_t host_bytes(const char *name)
{
	char text[4096], *at;

	if (fd_read_file_at(AT_FDCWD, "/proc/meminfo", text, sizeof(text)) <= 0)
		return UINT64_MAX;
	at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, 10) << 10 : UINT64_MAX;
}

uint32_t evict_room(struct fleet *f, const struct service *service)
{
	uint32_t places = f->options.instances_max > f->ground.count
				  ? f->options.instances_max - f->ground.count
				  : 0;
	uint64_t used, most = f->options.memory_max_bytes, fit;
	const struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		places += i->ahead && i->spec == service->spec; /* it has one to go on with */
	if (places == 0 || most == 0)
		return places;
	must(needed_bytes(service) > 0);
	used = count_room(f).used_bytes;
	fit = most > used ? (most - used) / needed_bytes(service) : 0;
	return fit < places ? (uint32_t)fit : places;
}

bool evict_for(struct fleet *f, const struct service *service)
{
	uint64_t need = needed_bytes(service), most = f->options.memory_max_bytes;
	struct room room = count_room(f);

	while (f->ground.count - room.going >= f->options.instances_max)
		if (!evict_one(f, service->spec, &room,
			       "all instances_max places are taken, one is wanted"))
			return false;
	while (most > 0 && room.used_bytes - room.going_bytes + need > most)
		if (!evict_one(f, service->spec, &room,
			       "memory_max_mb is used up, memory is wanted"))
			return false;
	return room.going + room.gone > 0;
}

bool evict_soon(struct fleet *f, const struct service *service)
{
	uint64_t now_ns = clock_mono_ns();
	const struct instance *i;

	count_live(f);
	chain_each(i, &f->ground.instances, in_ground)
		if (i->spec != service->spec && !i->stop_wanted && !i->ahead && instance_is_up(i) &&
		    is_spare(i) && now_ns - used_ns(i) < SOON_NS)
			return true;
	return false;
}

void evict_to_reserve(struct fleet *f, const struct service *service)
{
	uint64_t need = needed_bytes(service) + f->options.memory_reserve_bytes;
	uint64_t available =
		f->options.memory_reserve_bytes ? host_bytes("MemAvailable:") : UINT64_MAX;
	struct room room;

	if (available >= need)
		return;
	room = count_room(f);
	while (available + room.going_bytes < need &&
	       evict_one(f, service->spec, &room,
			 "the host has less than memory_reserve_mb left, memory is wanted"))
		;
}

/* ---- pressure ---- */

static bool is_scarce(void)
{
	return host_bytes("MemAvailable:") < host_bytes("MemTotal:") / SCARCE_PART;
}

bool evict_spares(struct fleet *f)
{
	return !is_scarce() &&
	       (f->options.memory_reserve_bytes == 0 ||
		host_bytes("MemAvailable:") >= f->options.memory_reserve_bytes + UNSEEN_BYTES);
}

static void on_pressure(struct watch *w, uint32_t events)
{
	struct fleet *f = container_of(w, struct fleet, pressure);
	struct room room = {0};

	if (events & EPOLLERR) {
		evict_watch_end(f);
		return;
	}
	if (is_scarce())
		(void)evict_one(f, NULL, &room, "the host stalls for memory (" PRESSURE_FILE ")");
}

void evict_watch(struct fleet *f)
{
	SCOPED_FD fd = open(PRESSURE_FILE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	f->pressure =
		(struct watch){.fd = -1, .on_ready = on_pressure, .name = "evict on_pressure"};
	if (fd < 0 || write(fd, PRESSURE_TRIGGER, sizeof(PRESSURE_TRIGGER)) < 0)
		return; /* this kernel has none; starts look at MemAvailable all the same */
	f->pressure.fd = keep_fd(&fd);
	if (loop_watch(f->ground.loop, &f->pressure, EPOLLPRI) < 0)
		fd_close(&f->pressure.fd);
}

void evict_watch_end(struct fleet *f)
{
	if (f->pressure.fd < 0)
		return;
	loop_unwatch(f->ground.loop, &f->pressure);
	fd_close(&f->pressure.fd);
}
