/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of a verb that stays: they end nothing half-way. */
#ifndef EBB_CLI_SIGNALS_H
#define EBB_CLI_SIGNALS_H

/* Blocks SIGHUP, SIGTERM and SIGINT. Returns a descriptor that tells them (signalfd(2)), which the
 * caller closes, or -errno. */
int signals_hold(void);

#endif
