/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3): one datagram to NOTIFY_SOCKET, if there is one. */
#ifndef EBB_SUPERVISOR_NOTIFY_H
#define EBB_SUPERVISOR_NOTIFY_H

/* "READY=1", "STOPPING=1", ... 0 (also without a socket) or -errno. */
int notify_send(const char *state);

#endif
