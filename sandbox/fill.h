/* SPDX-License-Identifier: Apache-2.0 */
/* Private to sandbox/: files a root needs and an image may lack. */
#ifndef EBB_SANDBOX_FILL_H
#define EBB_SANDBOX_FILL_H

#include <stddef.h>
#include <stdint.h>

/* Puts into <scratch>/u, the upper layer before it is mounted, what no layer has (an empty file
 * does not count as having): /etc/hosts with localhost. Writing there is cheap; through the overlay
 * it would be a copy-up on the path of a cold start. 0 or -errno. */
int fill_upper(int scratch_fd, const int *layer_fds, size_t layer_count, uint32_t id_first);

#endif
