/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets ebbd opens as root and hands down: TCP listeners (one per gateway) and the API's socket.
 */
#ifndef EBB_SUPERVISOR_LISTENERS_H
#define EBB_SUPERVISOR_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/fault.h"

/* The user id that owns all TCP listeners of the ebbd with this lock, also after a restart. No
 * other ebbd of this host and no user has that id. 0 or -errno. */
int listener_owner(int lock_fd, uint32_t *out);
/* A listening TCP socket with SO_REUSEPORT on "ADDR:PORT" or "[ADDR6]:PORT", non-blocking. The port
 * is shared with sockets of the same owner, and with no others. Returns it, or -errno with a
 * sentence that names the address and the mend. */
int listener_tcp(const char *address, uint32_t owner, struct fault *f);
/* A listening unix socket at path (an old one is replaced), mode 0660, of this group ("" = root's).
 */
int listener_unix(const char *path, const char *group, struct fault *f);
/* Whether there is such a group ("" = root's): 0, or -errno with a sentence. */
int listener_may_have_group(const char *group, struct fault *f);
int listener_give_to_group(const char *path, const char *group); /* 0 or -errno */

#endif
