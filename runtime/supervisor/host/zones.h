/* SPDX-License-Identifier: Apache-2.0 */
/* The time zone database of the host, for a program that has an empty root. */
#ifndef EBB_SUPERVISOR_ZONES_H
#define EBB_SUPERVISOR_ZONES_H

/* The directory as a mount of its own, read-only and in no mount namespace: nobody leaves it by
 * "..". Owned by the caller; or -errno: the host has none. */
int zones_open(void);

#endif
