/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands in instances (`ebb exec`): POST /v1/instances/ID/exec with an upgrade to "ebb-exec".
 *
 * After the answer 101 both sides send frames: a byte for the kind, three zero bytes, 4 bytes for
 * the length (big-endian, at most 64 KiB), and so many bytes. docs/interface.md has the protocol.
 *
 * From the client: 'i' input (length 0: end of input), 'w' rows and columns of the terminal (2
 * bytes each), 's' a signal (1 byte). From ebb-api: 'o' output, 'e' error output, 'x' the end of
 * the command (4 bytes: 1 if a signal ended it, else 0; 4 bytes: exit code or signal), 'f' the
 * reason why the command did not run to its end. The command ends when the connection ends.
 */
#ifndef EBB_API_EXEC_H
#define EBB_API_EXEC_H

struct api;
struct execs;
struct request;
struct wire_exec_ended;
struct wire_exec_started;

int execs_new(struct execs **out); /* 0 or -ENOMEM */
void execs_free(struct api *api, struct execs *all);
/* Takes over the descriptors: one with a terminal, else three (input, output, error output). */
void execs_started(struct api *api, const struct wire_exec_started *record, int *fds,
		   unsigned int fd_count);
void execs_ended(struct api *api, const struct wire_exec_ended *record);
/* The client of rq has left: its command is ended. */
void execs_forget(struct api *api, const struct request *rq);
/* Tells ebbd again about clients that left while the channel to it was full. */
void execs_retry(struct api *api);

#endif
