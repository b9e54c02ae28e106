/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths by which a server may mean the same. Servers differ in what they take as one path, so all
 * that any common one does is done here: %xx decoded, letters in one case, slashes that stand
 * together as one, none at the end, "." and ".." resolved.
 */
#ifndef EBB_HTTP_PATH_KEY_H
#define EBB_HTTP_PATH_KEY_H

#include <stdint.h>

#include "runtime/http/head.h"

#define PATH_KEY_BYTES 2048 /* a longer path has the key of its beginning */

/* The key of a path, never 0; two paths that a server may take as one have the same. Pure. */
uint64_t http_path_key(struct http_slice path);

#endif
