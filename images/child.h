/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of ebbd that the image store starts and watches by pidfd.
 *
 * These children send no SIGCHLD (clone3(2) with exit_signal 0), so that a waitpid(-1) elsewhere
 * never takes their status. A pidfd is readable when its child has ended (pidfd_open(2)).
 */
#ifndef EBB_IMAGES_CHILD_H
#define EBB_IMAGES_CHILD_H

#include <stddef.h>
#include <stdint.h>

/* As fork(2), into new namespaces (CLONE_NEW*). In the child it returns 0; all signals have their
 * default action and are unblocked, and the child dies with its parent. In the parent it returns
 * the pid, with an owned pidfd in *out_pid_fd, or -errno. */
int child_fork(uint64_t namespaces, int *out_pid_fd);

/* Runs work(fd, self) in a child that keeps no descriptor but fd (borrowed) and stderr. The result
 * of work, 0 or -errno, becomes the exit code (0 or errno). For disk work on ebb's own files that
 * would block the caller. 0 and an owned pidfd, or -errno. */
int child_run(int (*work)(int fd, const void *self), int fd, const void *self, int *out_pid_fd);

/* Takes the status of a child that has ended. 1 and the status as wait(2) encodes it, 0 while the
 * child runs, or -errno. Does not block. */
int child_reap(int pid_fd, int *out_status);
/* How a child ended that wrote its last words to output_fd: "exit 1: last words", "ended by
 * SIGSEGV", "ended by SIGSYS: its filter forbids socket (call 41)". */
void child_describe_end(int output_fd, int status, char *buf, size_t size);
/* Kills a child, blocks until it has ended (some milliseconds) and closes the pidfd. A pidfd of -1
 * is fine. */
void child_kill(int *pid_fd);

#endif
