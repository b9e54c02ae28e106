/* SPDX-License-Identifier: Apache-2.0 */
/* Private to netns/: the program of watch.c, instruction by instruction. */
#ifndef EBB_NETNS_WATCH_PROGRAM_H
#define EBB_NETNS_WATCH_PROGRAM_H

#include <linux/bpf.h>
#include <stdint.h>

#define WATCH_INSNS_MAX 160

struct watch_program {
	struct bpf_insn insns[WATCH_INSNS_MAX];
	uint32_t count;
};

/* Writes the program for these pools; flags_fd and ring_fd are its maps. */
void watch_program_write(struct watch_program *p, int flags_fd, int ring_fd,
			 const uint8_t pool_v4[4], const uint8_t pool_v6[16]);

#endif
