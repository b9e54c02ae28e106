/* SPDX-License-Identifier: Apache-2.0 */
/* Private to sandbox/: files that belong to the instance and not to its image. */
#ifndef EBB_SANDBOX_FILL_H
#define EBB_SANDBOX_FILL_H

#include <stddef.h>
#include <stdint.h>

struct sandbox_names;

/* Writes /etc/hosts and /etc/hostname, and /etc/resolv.conf if names has one, into <scratch>/u,
 * which will be the upper layer. An image cannot know the name of its instance, so its own files
 * are hidden, as other container runtimes do. The image's /etc keeps mode, owner and times. If the
 * image's /etc is no directory but a link, say, nothing is written. Files are written before the
 * overlay is mounted, because through the overlay each would be copied up on the path of a cold
 * start. names may be NULL; layer_fds are borrowed, lowest first. 0 or -errno. */
int fill_upper(int scratch_fd, const int *layer_fds, size_t layer_count, uint32_t id_first,
	       const char *host_name, const struct sandbox_names *names);

#endif
