/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-ipc's loop hears messages of programs inside instances, and records of ebbd about instances.
 * While no hold is open and no message is under way, no timer wakes it.
 */
#ifndef EBB_IPC_LOOP_H
#define EBB_IPC_LOOP_H

struct ipc;

/* Makes the loop and all tables of fixed size. Takes over control_fd. 0, or -errno. */
int ipc_new(int control_fd, struct ipc **out);
void ipc_free(struct ipc *ipc);
/* Serves until control_fd ends. 0, or -errno when it could not go on. */
int ipc_run(struct ipc *ipc);

#endif
