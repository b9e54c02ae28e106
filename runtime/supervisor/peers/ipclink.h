/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-ipc under ebbd: the instances that may talk, and the one wish that reaches root: to be
 * replaced. ebbd starts ebb-ipc again when ebb-ipc dies. The board then takes all holds back, and
 * instances with holds stay awake until their programs had time to repeat the holds
 * (fleet_holds_lost).
 */
#ifndef EBB_SUPERVISOR_IPCLINK_H
#define EBB_SUPERVISOR_IPCLINK_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/supervisor/scale/fleet.h"
#include "runtime/supervisor/programs/daemon.h"

struct ipclink;

struct ipclink_options {
	const struct program_host *host; /* borrowed */
	struct board *board;
	struct fleet *fleet;
	int board_fd, doorbell_fd; /* borrowed */
};

/* 0 or -errno with a sentence. */
int ipclink_new(const struct ipclink_options *options, struct ipclink **out, struct fault *f);
void ipclink_free(struct ipclink *l);
/* It hears of instances that may talk, and that may no more. */
struct observer ipclink_observer(struct ipclink *l);

#endif
