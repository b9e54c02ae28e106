/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines of a request, into the pipe that the instance's own output goes to: a byte 0x1e, the 32
 * digits of the request's id, a space, the text (docs/interface.md). Each write is at most
 * PIPE_BUF, so it never mixes with the program's own output.
 */
#ifndef EBB_IPC_LINES_H
#define EBB_IPC_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/ipc/message.h"

/* Writes text, cut at line ends and where a piece would be too long, as many lines at a time as
 * PIPE_BUF takes. id NULL: without a tag. Never blocks: returns how many lines the pipe did not
 * take. */
uint64_t lines_write(int log_fd, const struct request_id *id, const char *text, size_t size);

/* RFC 4648; white space between is skipped. Decodes into out (3 bytes for each 4 characters).
 * 0 or -EINVAL. */
int base64_decode(const char *text, char *out, size_t *out_size);

#endif
