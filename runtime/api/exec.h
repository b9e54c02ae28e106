/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands in instances (`ebb exec`): POST /v1/instances/ID/exec with an upgrade to "ebb-exec".
 *
 * Then both sides send frames: a byte that says what it is, three of zero, the length of what
 * follows (4 bytes, big-endian, at most 64 KiB). From the client: 'i' input ("" is its end), 'w'
 * rows and columns (2 bytes each), 's' a signal (1 byte). From here: 'o' output, 'e' error output,
 * 'x' the end: 4 bytes 1 if by a signal, 4 bytes exit code or signal; 'f' a sentence: it did not
 * run to its end. The command ends with the connection.
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
/* Takes the descriptors: one of a terminal, else three. */
void execs_started(struct api *api, const struct wire_exec_started *record, int *fds,
		   unsigned int fd_count);
void execs_ended(struct api *api, const struct wire_exec_ended *record);
/* Its client has left: the command ends. */
void execs_forget(struct api *api, const struct request *rq);

#endif
