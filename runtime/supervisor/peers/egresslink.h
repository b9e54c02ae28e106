/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-net under ebbd: wires sandboxes and writes what their instances may reach. ebbd starts
 * ebb-net again when ebb-net dies; the table and the wires stay, and the next ebb-net finds them.
 * When ebbd ends, or is killed, ebb-net removes both.
 */
#ifndef EBB_SUPERVISOR_EGRESSLINK_H
#define EBB_SUPERVISOR_EGRESSLINK_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/supervisor/host/pool.h"
#include "runtime/supervisor/programs/daemon.h"
#include "runtime/supervisor/scale/fleet.h"

/* Its row in the estate: the addresses stay those of the instances that have them. */
struct egress_row {
	struct pool pool;
	uint32_t log_group, made;
};

struct egresslink;

/* host is borrowed. 0, or -errno with a sentence. 0 also on a host that cannot give instances a
 * network: egresslink_check then says why. */
int egresslink_new(const struct program_host *host, struct fleet *fleet, struct egresslink **out,
		   struct fault *f);
/* Waits, for 10 s at most, until ebb-net has removed all that it made in the kernel. NULL is
 * fine. */
void egresslink_free(struct egresslink *l);
/* Once the fleet is as an earlier ebbd left it. */
void egresslink_resume(struct egresslink *l);
/* Whether instances can be given this: 0, or -errno with a sentence that names the mend. */
int egresslink_check(struct egresslink *l, const struct wire_egress *egress, char *err,
		     size_t err_size);

#endif
