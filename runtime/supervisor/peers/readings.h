/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meter readings that are not safe in the ledger yet, in the order of their numbers.
 *
 * Meters only grow, so of several readings of one instance the last one tells all. When there is no
 * room, a reading that has a later one of its instance gives way. A reading that is the last one of
 * its instance gets a new number instead, because nothing else would ever tell what it tells.
 */
#ifndef EBB_SUPERVISOR_READINGS_H
#define EBB_SUPERVISOR_READINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/records.h"

struct readings;

/* room: how many may wait, a power of 2. The first number is first + 1. 0 or -ENOMEM. */
int readings_new(uint32_t room, uint64_t first, struct readings **out);
void readings_free(struct readings *r);
/* Gives the record the next number and keeps a copy. False: one reading was lost for it, because
 * all that wait are the last ones of their instances. */
bool readings_add(struct readings *r, struct wire_meter *record);
/* All up to and with seq are safe. */
void readings_safe(struct readings *r, uint64_t seq);
uint64_t readings_last(const struct readings *r);  /* the last number that was given */
uint64_t readings_acked(const struct readings *r); /* up to it nothing waits */
/* The reading with this number, which waits. */
const struct wire_meter *readings_at(const struct readings *r, uint64_t seq);

#endif
