/* SPDX-License-Identifier: Apache-2.0 */
/* Records between ebbd and ebb-ipc. */
#ifndef EBB_WIRE_IPC_RECORDS_H
#define EBB_WIRE_IPC_RECORDS_H

#include <stdint.h>

#include "runtime/wire/common_records.h"

/* ---- ebbd <-> ipc ---- */

#define IPC_CONTROL_FD 3
/* IPC_CONFIG, first and without a record. fds: board, doorbell (eventfd: write 1 after a thaw). */

/* An instance whose program may send messages. fds: its listening IPC socket, its cgroup.freeze
 * (write-only), the write end of its log pipe (a non-blocking open file of its own). */
struct wire_ipc_up {
	uint32_t slot, generation;
	uint32_t max_duration_ms; /* no hold is longer */
	uint32_t service;
	char id[INSTANCE_ID_SIZE];
};

/* The instance has ended. */
struct wire_ipc_down {
	uint32_t slot, generation;
};

/* A program asks for its replacement: its instance takes no new work, finishes open work and is
 * replaced. failed: the program says that it cannot go on (unrecoverable-error). */
struct wire_ipc_retire {
	uint32_t slot, generation;
	uint32_t failed, reserved;
	char text[ERROR_TEXT_SIZE]; /* the words of the program, printable ASCII */
};

#endif
