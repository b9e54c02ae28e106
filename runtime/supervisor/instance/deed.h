/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of an instance in the estate: all that the next ebbd cannot find out from the board, the
 * kernel or a peer. It is written at each change of state and each reading, and cleared before
 * anything that it names is closed.
 */
#ifndef EBB_SUPERVISOR_DEED_H
#define EBB_SUPERVISOR_DEED_H

#include "runtime/supervisor/instance/instance.h"

struct deed {
	struct armed armed;
	struct cgroup cgroup;
	int log_fd, binding_fds[BINDINGS_MAX];
	char id[INSTANCE_ID_SIZE], why[ERROR_TEXT_SIZE / 2], fault[ERROR_TEXT_SIZE];
	uint32_t service, spec, slot, generation, state;
	bool was_ready, stop_wanted, exit_known, unresponsive, outstayed, by_hand;
	bool wire_asked, behind, by_wake;
	uint32_t cause;
	int32_t detail;
	uint64_t deadline_ns, grace_ns, frozen_ns, frozen_sum_ns, freezes, ready_ns, memory_bytes;
	uint64_t opened_ns, started_us, init_cpu_us, read_awake_ns, read_at_ns;
	uint64_t background_ns, background_to_ns, idle_since_ns, worked_ns, spent_ns, timer_thaws;
	uint64_t wakes, wakes_late, wake_ns;
	struct cgroup_cpu before;
	struct wire_use wire_before;
	struct wire_meter last;
};

/* Writes its row, once it has a sandbox and an account. */
void deed_write(const struct instance *i);
void deed_clear(const struct instance *i);
/* The row of a slot, or NULL. */
const struct deed *deed_read(const struct estate *estate, uint32_t slot);
/* Each descriptor that an instance of the estate has. */
void deeds_each_fd(const struct estate *estate, void (*fn)(void *ctx, int fd), void *ctx);
/* Whether one of them has this cgroup ("instances/7"). */
bool deeds_mean_cgroup(const struct estate *estate, const char *path);
/* Gives all that the row has to an instance that has nothing yet (instance_init); its state is the
 * caller's to set right, and nothing of it is watched. */
void deed_give(const struct deed *deed, struct instance *i);
/* Nobody can go on with it: ends what it names, and clears the row. */
void deed_end(struct estate *estate, const struct deed *deed);

#endif
