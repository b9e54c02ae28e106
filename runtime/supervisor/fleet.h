/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All instances of this host: started, probed, frozen, thawed, metered, stopped.
 *
 * The fleet decides nothing about requests (gateways do, with tickets) and nothing about how many
 * instances there should be (policy.h does). What others must hear of, it says through hooks.
 */
#ifndef EBB_SUPERVISOR_FLEET_H
#define EBB_SUPERVISOR_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cgroups/cgroup.h"
#include "runtime/supervisor/armory.h"
#include "runtime/supervisor/loop.h"
#include "runtime/supervisor/services.h"
#include "runtime/wire/board.h"

struct fleet;
struct instance;

struct fleet_hooks {
	void *self;
	void (*up)(void *self, struct instance *i);
	void (*drain)(void *self, struct instance *i, bool all); /* see wire_instance_drain */
	void (*down)(void *self, struct instance *i);
	void (*start_failed)(void *self, const struct wire_start_failed *record);
	void (*event)(void *self, const struct wire_event *record);
	void (*meter)(void *self, struct wire_meter *record);
	void (*log_pipe)(void *self, struct instance *i);
	void (*ipc_up)(void *self, struct instance *i); /* its program may talk */
	void (*ipc_down)(void *self, struct instance *i);
	bool (*may_start)(void *self); /* false: the ledger is full, no new work */
	void (*emptied)(void *self);   /* the last instance of a stopping fleet is gone */
};

struct fleet_options {
	struct loop *loop;
	struct board *board;
	struct cgroup_tree *tree;
	struct services *services;
	struct zygote *zygote;
	const char *stage_dir;
	uint32_t armed, instances_max, nofile_max, gateway_count;
	uint64_t memory_max_bytes, memory_reserve_bytes; /* 0 = none */
	uint32_t drain_ms; /* how long holds are waited for when everything stops */
	uint64_t boot_us;
	struct fleet_hooks hooks;
};

int fleet_new(const struct fleet_options *options, struct fleet **out);
/* Kills what is left at once, without its last meters. */
void fleet_free(struct fleet *f);

/* Gateways: this many requests wait for the service there, which has heard of so many of its
 * instances (services.h, ups). */
void fleet_need(struct fleet *f, uint32_t service, uint32_t gateway, uint32_t queued, uint32_t ups);
/* Requests of a service were answered 503, counted by cause. */
void fleet_refused(struct fleet *f, uint32_t service, const uint32_t counts[REFUSED_KINDS]);
/* Why requests of a service go where they go. 0, -EPROTO if the record is none. */
int fleet_chosen(struct fleet *f, const struct wire_choice *choice);
/* An event of a service. */
void fleet_say(struct fleet *f, uint32_t service, uint32_t event_kind, const char *text);
/* A service was put: instances of older revisions drain, minInstances start. */
void fleet_service_changed(struct fleet *f, struct service *service);
/* It is about to be removed: all its instances drain and stop. */
/* Wants an instance without a request, until one accepts or fails to start (`ebb deploy --wait`).
 */
void fleet_prove(struct fleet *f, struct service *service);
void fleet_service_gone(struct fleet *f, struct service *service);
/* A gateway thawed something. */
void fleet_doorbell(struct fleet *f);
/* A gateway died with work open there: make sure it is not frozen, and its clock is sane. */
void fleet_touch(struct fleet *f, uint32_t slot);
/* An instance is in doubt: see whether it still lives; a dead one says so by itself. */
void fleet_suspect(struct fleet *f, uint32_t slot, uint32_t generation, int error);
/* ebb-ipc died: what it held is open no more, but those instances get time to say it again. */
void fleet_holds_lost(struct fleet *f);
/* A program asks to be replaced. text is printable. */
void fleet_retire(struct fleet *f, uint32_t slot, uint32_t generation, bool failed,
		  const char *text);
/* Stops every instance (holds, SIGTERM, grace, kill); hooks.emptied when all are gone. */
void fleet_stop_all(struct fleet *f);
/* Reads its meter now (METER_AT_FLUSH). */
void instance_flush(struct instance *i);
/* Commands of operators. 0 or -errno with a sentence. */
int fleet_command(struct fleet *f, const char *id, uint32_t command, char *text, size_t text_size);

/* Sockets born inside an instance, count <= WIRE_FDS_MAX. 0 or -errno; the caller closes them. */
int fleet_sockets(struct fleet *f, uint32_t slot, uint32_t generation, uint32_t count, int *fds,
		  struct instance **out);

/* How full its accept queue is: see accept.c. 0, or -errno if it is gone. */
int fleet_queue(struct fleet *f, uint32_t slot, uint32_t generation, uint32_t waited_ms,
		struct wire_queue *out, uint32_t *drop_ms);

/* Walks over all, also those not ready; fn may not remove any. */
void fleet_each(struct fleet *f, void (*fn)(void *ctx, struct instance *i), void *ctx);
/* The one in this slot, or NULL. */
struct instance *fleet_at(struct fleet *f, uint32_t slot);
uint32_t fleet_count(const struct fleet *f);

/* What hooks and records need of one. */
bool instance_is_up(const struct instance *i);
bool instance_is_shown(const struct instance *i); /* false: made ahead of need */
void instance_up_record(const struct instance *i, struct wire_instance_up *out);
int instance_freeze_fd(const struct instance *i); /* borrowed */
int instance_log_fd(const struct instance *i);    /* borrowed */
int instance_ipc_fd(const struct instance *i);    /* borrowed */
bool instance_may_talk(const struct instance *i); /* over that */
void instance_ipc_record(const struct instance *i, struct wire_ipc_up *out);
void instance_down_record(const struct instance *i, struct wire_instance_down *out);
void instance_info_record(struct instance *i, struct wire_instance_info *out);
void instance_log_record(const struct instance *i, struct wire_log_pipe *out);

#endif
