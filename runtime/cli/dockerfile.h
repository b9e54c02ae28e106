/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from a Dockerfile, by buildah(1). Its steps run with the caller's ids, held by buildah's
 * chroot isolation, in namespaces of network, processes and IPC (images/build/steps.py): they reach
 * public addresses by a proxy, and nothing of the host. EBB_BUILD_NETWORK=host takes the namespaces
 * away. Layers are cached below the cache of builds.
 */
#ifndef EBB_CLI_DOCKERFILE_H
#define EBB_CLI_DOCKERFILE_H

#include <stdbool.h>

/* Whether the entry point of a container is such a file and no image: its name begins with
 * "Dockerfile" or "Containerfile". NULL: it is not. */
bool dockerfile_is(const char *entrypoint);
/* The Dockerfile of a directory, "Dockerfile" or "Containerfile"; NULL: there is none. */
const char *dockerfile_of(int dir_fd);
/* Builds it with directory as context, and writes an oci-archive to output. Returns an exit code,
 * after having printed the error. */
int dockerfile_build(const char *directory, const char *file, const char *cache,
		     const char *output);

#endif
