/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that need not be sent, because the server's store has them. */
#ifndef EBB_CLI_KNOWN_H
#define EBB_CLI_KNOWN_H

#include <stddef.h>

#include "runtime/cli/cli.h"

/* Writes the names of all pieces of the server's images (chain ids, "sha256:HEX") into a new file
 * at path, one per line; *out_count is their number. CLI_DONE, or an exit code with the error
 * printed. */
int known_pieces(const struct call *call, const char *path, size_t *out_count);

#endif
