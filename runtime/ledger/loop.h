/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-ledger's loop. Readings come in on the control channel and acknowledgements go out on it;
 * ebb-api has a channel for its questions and their answers. Runs as its own uid with the ledger
 * directory as its whole file system. Sleeps while nothing waits.
 */
#ifndef EBB_LEDGER_LOOP_H
#define EBB_LEDGER_LOOP_H

#define LEDGER_CONTROL_FD 3
/* A reading waits at most this long for others to share its commit. */
#define LEDGER_BATCH_MS 100

/* Serves until control_fd ends. Takes control_fd. 0, or -errno when it could not go on. */
int ledger_run(int control_fd);

#endif
