/* SPDX-License-Identifier: Apache-2.0 */
/* Where ebb's other files are, as seen from this program: in a source tree and when installed. */
#ifndef EBB_CLI_PLACES_H
#define EBB_CLI_PLACES_H

#include <stddef.h>

#define PLACES_BUILDER "ebb-build"

/* The first of these paths, relative to the directory of this program, that is there; NULL ends
 * them. 0 or -ENOENT. */
int places_find(const char *const *beside, char *path, size_t size);
/* Finds ebb-step beside this program, as in a source tree. Else path is "", and ebb-build looks
 * beside itself. */
void places_step(char *path, size_t size);
/* Finds ebb-build: in EBB_LIBEXEC if that is set, else near this program, in this program's source
 * tree, or below the usual prefixes. 0 or -errno. */
int places_builder(char *path, size_t size);
/* The cache is EBB_CACHE if that is set; else /var/cache/ebb for root, and XDG_CACHE_HOME/ebb or
 * ~/.cache/ebb for others. It is made if absent. 0 or -errno. */
int places_cache(char *path, size_t size);

#endif
