/* SPDX-License-Identifier: Apache-2.0 */
/* Private to sandbox/: files that belong to the instance and not to its image. */
#ifndef EBB_SANDBOX_FILL_H
#define EBB_SANDBOX_FILL_H

#include <stddef.h>
#include <stdint.h>

struct sandbox_names;

/* Puts into <scratch>/u, the upper layer before it is mounted, /etc/hosts and /etc/hostname (and
 * /etc/resolv.conf, if names has it): an
 * image cannot know the name of its instance, so its own files are hidden, as other container
 * runtimes do. Its /etc keeps mode, owner and times; where it has no such directory (a link, say)
 * nothing is written. Writing there is cheap; through the overlay it would be a copy-up on the path
 * of a cold start. 0 or -errno. */
int fill_upper(int scratch_fd, const int *layer_fds, size_t layer_count, uint32_t id_first,
	       const char *host_name, const struct sandbox_names *names);

#endif
