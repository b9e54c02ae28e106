/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that ebbd opens as root and hands down: TCP listeners for each gateway, the API's
 * socket. */
#ifndef EBB_SUPERVISOR_LISTENERS_H
#define EBB_SUPERVISOR_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/fault.h"

/* The user id that owns all TCP listeners of the ebbd with this lock, also after a restart. It is
 * derived from the lock's file, and high: no other ebbd of this host has that id, and no user. 0 or
 * -errno. */
int listener_owner(int lock_fd, uint32_t *out);
/* Whether two texts name one address, however they spell it. */
bool listener_same(const char *a, const char *b);
/* A listening TCP socket with SO_REUSEPORT (socket(7)) on "ADDR:PORT" or "[ADDR6]:PORT",
 * non-blocking. The port is shared with sockets of the same owner, and with no others. Returns the
 * descriptor, which the caller owns, or -errno with a sentence that names the address and the
 * mend. */
int listener_tcp(const char *address, uint32_t owner, struct fault *f);
/* A listening unix socket at path (an old one is replaced) with mode 0660 and this group ("" =
 * root's). Returns the descriptor, which the caller owns, or -errno with a sentence. */
int listener_unix(const char *path, const char *group, struct fault *f);
/* Whether there is such a group ("" = root's): 0, or -errno with a sentence. */
int listener_may_have_group(const char *group, struct fault *f);
int listener_give_to_group(const char *path, const char *group); /* 0 or -errno */

#endif
