/* SPDX-License-Identifier: Apache-2.0 */
/* The work that follows when an instance enters a state, for all rooms: one table. */
#ifndef EBB_SUPERVISOR_FOLLOW_H
#define EBB_SUPERVISOR_FOLLOW_H

struct followers;
extern const struct followers fleet_followers;

#endif
