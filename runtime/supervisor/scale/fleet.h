/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All instances of this host: started, probed, frozen, thawed, metered, stopped.
 *
 * The fleet decides nothing about requests (gateways do, with tickets) and nothing about how many
 * instances there should be (policy.h does). Observers hear what happens (observer.h). The requests
 * of other programs are in asks.c, holds.c, command.c and drain.c.
 */
#ifndef EBB_SUPERVISOR_FLEET_H
#define EBB_SUPERVISOR_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/loop.h"
#include "runtime/supervisor/host/estate.h"
#include "runtime/supervisor/instance/observer.h"
#include "runtime/supervisor/instance/report.h"
#include "runtime/supervisor/service/services.h"
#include "runtime/wire/board.h"

struct fleet;
struct cgroup_tree;
struct zygote;
struct followers;

struct fleet_options {
	struct loop *loop;
	struct board *board;
	struct estate *estate;
	struct cgroup_tree *tree;
	struct services *services;
	struct zygote *zygote;
	const char *stage_dir;
	uint32_t armed, instances_max, nofile_max, gateway_count;
	uint64_t memory_max_bytes, memory_reserve_bytes; /* 0 = none */
	uint32_t drain_ms; /* how long holds are waited for when everything stops */
	uint64_t boot_us;
	const struct followers *followers;
};

/* The parts that options names are borrowed and outlive the fleet. 0 or -errno. */
int fleet_new(const struct fleet_options *options, struct fleet **out);
/* Limits of a running fleet; instances that are there already stay. */
struct fleet_limits {
	uint32_t armed, instances_max, nofile_max, drain_ms;
	uint64_t memory_max_bytes, memory_reserve_bytes;
};
void fleet_limit(struct fleet *f, const struct fleet_limits *limits);
/* There is a new zygote, after observers heard (starts) that no sandbox can be made. 0 or
 * -errno. */
int fleet_revive(struct fleet *f, struct zygote *zygote);
/* No zygote can be started: instances that wait for a sandbox fail for this reason. */
void fleet_cannot_start(struct fleet *f, const char *why);
/* Adds an observer, which hears of everything until the loop ends; fleet_free tells it nothing. */
void fleet_observe(struct fleet *f, const struct observer *observer);
/* Kills what is left at once, without its last meters. */
void fleet_free(struct fleet *f);

/* A gateway says how many requests wait there for the service, and of how many instances it has
 * heard (services.h, ups). */
void fleet_need(struct fleet *f, uint32_t service, uint32_t gateway, uint32_t queued, uint32_t ups);
/* It ended: nobody waits in it any more. */
void fleet_gateway_gone(struct fleet *f, uint32_t gateway);
/* Requests of a service were answered 503, counted by cause. */
void fleet_refused(struct fleet *f, uint32_t service, const uint32_t counts[REFUSED_KINDS]);
/* Why requests of a service go where they go. 0, or -EPROTO if the record is malformed. */
int fleet_chosen(struct fleet *f, const struct wire_choice *choice);
/* An event of a service. */
void fleet_say(struct fleet *f, uint32_t service, uint32_t event_kind, const char *text);
/* A service was put: minInstances start, and one instance if an older revision serves. Instances of
 * older revisions drain: those that do not serve at once, the others when a new one accepts. */
void fleet_service_changed(struct fleet *f, struct service *service);
/* A variant has become the service, with its instances: minInstances start. Instances of the
 * service before, which is the variant now, drain: their timers and subscriptions would go on
 * beside those of the new ones. */
void fleet_service_promoted(struct fleet *f, struct service *service, struct service *before);
/* Wants an instance without a request, until one accepts or fails to start: `ebb deploy --wait`. */
void fleet_prove(struct fleet *f, struct service *service);
/* A service is about to be removed: all its instances drain and stop. */
void fleet_service_gone(struct fleet *f, struct service *service);
/* A gateway thawed something. */
void fleet_doorbell(struct fleet *f);
/* The host's clock was set, or the host was suspended: timers of frozen instances may be due at
 * other moments. */
void fleet_clock_jumped(struct fleet *f);
/* A gateway died with work open in this slot: makes sure the instance is not frozen, and its clock
 * is sane. */
void fleet_touch(struct fleet *f, uint32_t slot);
/* A gateway doubts an instance; error: as in wire_instance_suspect. ETIMEDOUT: it ignored
 * maxDuration; it drains for its stop grace and is replaced. -ECONNREFUSED: nobody listens any
 * more, if the kernel says so too, and it drains. A dead one says so by itself. */
void fleet_suspect(struct fleet *f, uint32_t slot, uint32_t generation, int error);
/* ebb-ipc died: its holds are open no more, but those instances get time to repeat them. */
void fleet_holds_lost(struct fleet *f);
/* A program asks to be replaced. text is printable. */
void fleet_retire(struct fleet *f, uint32_t slot, uint32_t generation, bool failed,
		  const char *text);
/* Stops all instances (holds, SIGTERM, grace, kill). Observers hear `emptied` after the last. */
void fleet_stop_all(struct fleet *f);
/* The instances are stopping: kills the rest now; observers hear their last meters. */
void fleet_kill_all(struct fleet *f);
/* drain.c: the host takes no new work. Open requests finish, and instances stop when they have
 * none, at deadline_ns at the latest (0: when maxDuration is over). It may be called again, with
 * another deadline. */
void fleet_take_no_work(struct fleet *f, uint64_t deadline_ns);
/* The host takes new work again. True if it took none. */
bool fleet_take_work(struct fleet *f);
/* Reads the instance's meter now (METER_AT_FLUSH). */
void fleet_flush(struct instance *i);
/* Fills in all that ebb-api shows of an instance; counted: also its open connections. */
void fleet_info(struct instance *i, bool counted, struct wire_instance_info *out);
/* A socket that lists the sockets inside this instance (netns/sockets.h), which the caller owns.
 * -ENOENT: there is no such instance, or -errno. */
int fleet_sockets_of(struct fleet *f, const char *id);
/* Commands of operators. 0 or -errno with a sentence. */
int fleet_command(struct fleet *f, const char *id, uint32_t command, char *text, size_t text_size);

/* Sockets born inside an instance, count <= WIRE_FDS_MAX. 0 or -errno; the caller closes them. */
int fleet_sockets(struct fleet *f, uint32_t slot, uint32_t generation, uint32_t count, int *fds,
		  struct instance **out);

/* How full the accept queue of an instance is: see accept.h. 0, or -errno if it is gone. */
int fleet_queue(struct fleet *f, uint32_t slot, uint32_t generation, uint32_t waited_ms,
		struct wire_queue *out, uint32_t *drop_ms);

/* Drains the instances of a service whose specification is not `except`; also_up: also those that
 * serve. */
void fleet_drain(struct fleet *f, uint32_t service, const struct spec *except, bool also_up);
void fleet_forget(struct instance *i); /* it is GONE: frees it */

/* Calls fn for all instances, also those that are not ready; fn may not remove any. */
void fleet_each(struct fleet *f, void (*fn)(void *ctx, struct instance *i), void *ctx);
/* The instance in this slot that has this generation, or NULL. */
struct instance *fleet_find(struct fleet *f, uint32_t slot, uint32_t generation);
/* The instance in this slot, or NULL. */
struct instance *fleet_at(struct fleet *f, uint32_t slot);
uint32_t fleet_count(const struct fleet *f);

#endif
