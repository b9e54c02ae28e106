/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-flow: keeps schedules. It owns the clock and a store; ebb-api tells it what is to happen
 * when, and gateways take its requests on a socket in its directory, which is its whole file
 * system. It has no network, and one timer, for the next thing that is due.
 */
#ifndef EBB_FLOW_LOOP_H
#define EBB_FLOW_LOOP_H

/* Serves until ebbd closes the channel. 0 or -errno. */
int flow_run(int control_fd);

#endif
