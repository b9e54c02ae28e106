/* SPDX-License-Identifier: Apache-2.0 */
/* The fleet that an earlier ebbd left. */
#ifndef EBB_SUPERVISOR_ADOPT_H
#define EBB_SUPERVISOR_ADOPT_H

#include "runtime/supervisor/host/estate.h"
#include "runtime/supervisor/scale/fleet.h"

/* Each descriptor of an instance, and whether a cgroup ("instances/7") is one's. */
void adopt_each_fd(const struct estate *estate, void (*fn)(void *ctx, int fd), void *ctx);
bool adopt_has_cgroup(void *estate, const char *path);
size_t adopt_row_size(void);
/* Where the cgroups of instances are. */
const char *adopt_cgroups(void);
/* Takes over every instance of the estate; observers are there already. ebb-ipc is another one, so
 * its holds are lost as they are when it dies. Returns how many. */
uint32_t fleet_adopt(struct fleet *f);

#endif
