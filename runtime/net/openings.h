/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of names that are open for an instance at this moment. Bounded for each instance,
 * so that no name with a thousand addresses fills the kernel's sets. Pure. */
#ifndef EBB_NET_OPENINGS_H
#define EBB_NET_OPENINGS_H

#include <stdint.h>

#define OPENINGS_MAX 128

struct opening {
	uint64_t until_ns; /* CLOCK_MONOTONIC; then the kernel closes it */
	uint8_t address[16];
	uint16_t port;
};

struct openings {
	uint32_t count;
	struct opening list[OPENINGS_MAX];
};

/* Notes that an address is open; one that is noted already gets the later end. 0, or -ENOSPC: as
 * many as may be are open. */
int openings_note(struct openings *o, const uint8_t address[16], uint16_t port, uint64_t until_ns,
		  uint64_t now_ns);

#endif
