/* SPDX-License-Identifier: Apache-2.0 */
/* The network of instances, as the peer that gives it to them sees the fleet. */
#ifndef EBB_SUPERVISOR_WIRES_H
#define EBB_SUPERVISOR_WIRES_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/supervisor/instance/network.h"

struct fleet;

/* Sets the giver of networks to instances; without it no instance has one. */
void fleet_attach_network(struct fleet *f, const struct network *network);
/* Answers: err is 0 or -errno, why a sentence. */
void fleet_wired(struct fleet *f, uint32_t range, int err, const char *why);
void fleet_assigned(struct fleet *f, uint32_t slot, uint32_t generation, int err, const char *why);
/* Nobody is there to answer: waiting instances fail. */
void fleet_unwirable(struct fleet *f, const char *why);
/* Whether this instance lives in this range, and was told to ebb-net. */
bool fleet_has_wired(struct fleet *f, uint32_t range, uint32_t generation);
/* Whether that instance's policy has a name with this port (0: a name with every port). */
bool fleet_names_port(struct fleet *f, uint32_t range, uint32_t generation, uint32_t port);
/* Hands on the assignments of all instances that ebb-net was told of. */
void fleet_each_wired(struct fleet *f, void (*each)(void *self, const struct wire_net_assign *a),
		      void *self);
/* From now on the kernel tells what arrives for instances with addresses of these pools (wakes.c).
 * 0, or -errno with the step that failed. */
int fleet_watch_network(struct fleet *f, const uint8_t pool_v4[4], const uint8_t pool_v6[16],
			const char **step);
void fleet_watch_network_end(struct fleet *f);
/* The instance in this range, if there is one, tried an address that it may not reach: an event. */
void fleet_egress_refused(struct fleet *f, uint32_t range, const char *text);

#endif
