/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets ebbd opens as root and hands down: TCP listeners (one per gateway) and the API's socket.
 */
#ifndef EBB_SUPERVISOR_LISTENERS_H
#define EBB_SUPERVISOR_LISTENERS_H

#include <stddef.h>

/* A listening TCP socket with SO_REUSEPORT on "ADDR:PORT" or "[ADDR6]:PORT", non-blocking. Returns
 * it, or -errno with a sentence that names the address and the mend. */
int listener_tcp(const char *address, char *err, size_t err_size);
/* A listening unix socket at path (an old one is replaced), mode 0660, of this group ("" = root's).
 */
int listener_unix(const char *path, const char *group, char *err, size_t err_size);

#endif
