/* SPDX-License-Identifier: Apache-2.0 */
/* The common ground of all instances of this host: the parts they run on, and their hearers. */
#ifndef EBB_SUPERVISOR_COMMON_H
#define EBB_SUPERVISOR_COMMON_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroups/cgroup.h"
#include "runtime/base/loop.h"
#include "runtime/supervisor/instance/observer.h"
#include "runtime/supervisor/service/services.h"
#include "runtime/wire/board.h"
#include "sandbox/sandbox.h"

struct fleet;
struct followers; /* instance.h: what follows when an instance enters a state */

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
	const struct followers *followers;
};

#endif
