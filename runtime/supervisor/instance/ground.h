/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ground that all instances of this host stand on: the parts they run with, the list of them,
 * and their observers. The fleet (scale/fleet.h) lays it and takes it up again; the rooms instance
 * and freeze know nothing of the fleet.
 */
#ifndef EBB_SUPERVISOR_GROUND_H
#define EBB_SUPERVISOR_GROUND_H

#include <stdint.h>

#include "cgroups/cgroup.h"
#include "runtime/base/chain.h"
#include "runtime/base/loop.h"
#include "runtime/supervisor/host/estate.h"
#include "runtime/supervisor/instance/network.h"
#include "runtime/supervisor/instance/observer.h"
#include "runtime/supervisor/service/services.h"
#include "runtime/wire/board.h"

struct armory;
struct net_watch; /* netns/watch.h */
struct followers; /* instance.h: the consequences of entering a state */

struct ground {
	/* All of these are borrowed but the armory and home_ns_fd. */
	struct loop *loop;
	struct board *board;
	struct estate *estate; /* for the next ebbd */
	struct cgroup_tree *tree;
	struct services *services;
	const struct followers *followers;
	struct armory *armory; /* owned */
	const char *stage_dir;
	int home_ns_fd;
	struct network network;      /* zeroed: nobody gives instances one */
	struct net_watch *net_watch; /* NULL: arrivals wake nobody */
	uint32_t nofile_max, gateway_count;
	uint64_t boot_us;

	struct observer observers[OBSERVERS_MAX];
	uint32_t observer_count;

	uint64_t parts_from_ns; /* no second part of anybody's look before that */
	uint32_t count, next_slot;
	struct chain instances; /* oldest first */
	struct instance *slots[INSTANCES_MAX];
};

#endif
