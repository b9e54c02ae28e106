// SPDX-License-Identifier: Apache-2.0
/* The names by which a layer hides entries of the layers below it (OCI image-spec layer.md). */
#include <string.h>

#include "images/unpack/unpack.h"

#define PREFIX      ".wh."
#define OPAQUE      ".wh..wh..opq"
#define AUFS_PREFIX ".wh..wh." /* bookkeeping of aufs, meaningless elsewhere */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

enum whiteout_kind whiteout_kind(const char *path)
{
	const char *name = base_name(path);

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return WHITEOUT_NONE;
	if (strcmp(name, OPAQUE) == 0)
		return WHITEOUT_OPAQUE;
	if (strncmp(name, AUFS_PREFIX, strlen(AUFS_PREFIX)) == 0 || !name[strlen(PREFIX)] ||
	    strcmp(name + strlen(PREFIX), ".") == 0 || strcmp(name + strlen(PREFIX), "..") == 0)
		return WHITEOUT_IGNORED;
	return WHITEOUT_FILE;
}

const char *whiteout_target(const char *path)
{
	return base_name(path) + strlen(PREFIX);
}
