/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes log lines of a request into the pipe that takes the instance's own output. A line is a
 * byte 0x1e, the 32 digits of the request's id, a space, and the text (docs/interface.md). Each
 * write has at most PIPE_BUF bytes, so it never mixes with the program's own output (pipe(7)).
 */
#ifndef EBB_IPC_LINES_H
#define EBB_IPC_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/ipc/message.h"

/* Writes text, cut at line ends and where a line would be too long, with as many lines in a write
 * as fit PIPE_BUF. id NULL: lines without a tag. Does not block if log_fd does not (O_NONBLOCK).
 * Returns how many lines the pipe did not take. */
uint64_t lines_write(int log_fd, const struct request_id *id, const char *text, size_t size);

/* Decodes base64 (RFC 4648 section 4) into out, which needs 3 bytes for each 4 characters. White
 * space is skipped. 0 or -EINVAL. */
int base64_decode(const char *text, char *out, size_t *out_size);

#endif
