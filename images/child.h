/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children of ebbd that the image store starts and watches by pidfd.
 *
 * They send no SIGCHLD (clone3 with exit_signal 0), so that a waitpid(-1) elsewhere never takes
 * their status. A pidfd is readable when its child has ended.
 */
#ifndef EBB_IMAGES_CHILD_H
#define EBB_IMAGES_CHILD_H

#include <stdint.h>

/* fork(2) into new namespaces (CLONE_NEW*). In the child: returns 0, all signals back to default
 * and unblocked, death with the parent. In the parent: returns the pid and an owned pidfd. Or
 * -errno. */
int child_fork(uint64_t namespaces, int *out_pid_fd);

/* Runs work(fd, self) in a child that keeps no descriptor but fd (borrowed) and stderr. Its value
 * (0 or -errno) becomes the exit code. It is for blocking disk work on our own files. 0 or
 * -errno. */
int child_run(int (*work)(int fd, const void *self), int fd, const void *self, int *out_pid_fd);

/* Takes the status of an ended child: 1 and the status as wait(2) encodes it, 0 while it runs, or
 * -errno. */
int child_reap(int pid_fd, int *out_status);
/* Kills it, waits for its end (milliseconds) and closes the pidfd. -1 is fine. */
void child_kill(int *pid_fd);

#endif
