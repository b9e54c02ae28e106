/* SPDX-License-Identifier: Apache-2.0 */
/* The network of instances, as the peer that gives it to them sees the fleet. */
#ifndef EBB_SUPERVISOR_WIRES_H
#define EBB_SUPERVISOR_WIRES_H

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
/* The instance in this range, if there is one, tried an address that it may not reach: an event. */
void fleet_egress_refused(struct fleet *f, uint32_t range, const char *text);

#endif
