/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-ipc's loop hears programs inside instances, and ebbd about instances. It is one epoll; with
 * no hold open and no message under way nothing here wakes up.
 */
#ifndef EBB_IPC_LOOP_H
#define EBB_IPC_LOOP_H

struct ipc;

/* Everything that is allocated once. 0 or -errno (logged). */
int ipc_new(int control_fd, struct ipc **out);
void ipc_free(struct ipc *ipc);
/* Serves until control_fd ends. 0, or -errno when it could not go on (logged). */
int ipc_run(struct ipc *ipc);

#endif
