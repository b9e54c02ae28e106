/* SPDX-License-Identifier: Apache-2.0 */
/* Private to netns/: the program of watch.c, instruction by instruction. */
#ifndef EBB_NETNS_WATCH_PROGRAM_H
#define EBB_NETNS_WATCH_PROGRAM_H

#include <linux/bpf.h>
#include <stdint.h>

#define WATCH_INSNS_MAX 192

struct watch_program {
	struct bpf_insn insns[WATCH_INSNS_MAX];
	uint32_t count;
};

struct watch_maps {
	int flags_fd, ring_fd, said_fd;
};

/* Writes the program for these pools and maps. */
void watch_program_write(struct watch_program *p, const struct watch_maps *maps,
			 const uint8_t pool_v4[4], const uint8_t pool_v6[16]);

#endif
