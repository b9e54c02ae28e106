/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of the host that ebb gives to what it confines, in ranges of 65536. No two ranges overlap:
 * those of an ebbd begin at its setting id_base, those of builds are above the highest one.
 */
#ifndef EBB_BASE_IDS_H
#define EBB_BASE_IDS_H

#include <stdint.h>

#define IDS_PER_RANGE   65536u
#define ID_BASE_MIN     UINT32_C(65536)
#define ID_BASE_MAX     UINT32_C(0xe0000000)
#define INSTANCE_RANGES 4096u /* the first two are of ebb's own programs and of the image store */

#define BUILD_IDS_FIRST UINT32_C(0xf1000000)
#define BUILD_RANGES    64u

_Static_assert(ID_BASE_MAX + (uint64_t)INSTANCE_RANGES * IDS_PER_RANGE <= BUILD_IDS_FIRST &&
		       BUILD_IDS_FIRST + (uint64_t)BUILD_RANGES * IDS_PER_RANGE < UINT32_MAX,
	       "instances and builds have ids of their own");

#endif
