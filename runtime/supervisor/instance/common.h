/* SPDX-License-Identifier: Apache-2.0 */
/* What all instances of this host have in common: what they run on, and who hears of them. */
#ifndef EBB_SUPERVISOR_COMMON_H
#define EBB_SUPERVISOR_COMMON_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroups/cgroup.h"
#include "runtime/supervisor/host/loop.h"
#include "runtime/supervisor/service/services.h"
#include "runtime/wire/board.h"
#include "sandbox/sandbox.h"

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

#endif
