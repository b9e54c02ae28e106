/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of ebbd that a test may let fail; integ.mk and injected_ebbd.py read this list, too. */
#ifndef EBB_TESTS_INJECTED_EBBD_H
#define EBB_TESTS_INJECTED_EBBD_H

/* clang-format off */
#define CALLS_PLAIN(X) \
	X(bind) X(chdir) X(chmod) X(chown) X(connect) X(dup2) X(dup3) X(epoll_create1) X(epoll_ctl) X(epoll_wait) \
	X(eventfd) X(execve) X(execveat) X(fchdir) X(fchmod) X(fchown) X(fchownat) X(fcntl) X(fork) X(fsconfig) \
	X(fsetxattr) X(fsmount) X(fsopen) X(fstat) X(fstatat) X(fstatfs) X(fsync) X(ftruncate) X(futimens) \
	X(getsockopt) X(ioctl) X(listen) X(lseek) X(lstat) X(memfd_create) X(mkdir) X(mkdirat) X(mknodat) X(mmap) \
	X(mount) X(mount_setattr) X(move_mount) X(open) X(open_tree) X(openat) X(pidfd_send_signal) X(pipe2) X(poll) \
	X(prctl) X(pread) X(process_vm_readv) X(pwrite) X(read) X(readlinkat) X(recv) X(recvmsg) X(renameat) \
	X(renameat2) X(rmdir) X(send) X(sendfile) X(sendmsg) X(sendto) X(setgroups) X(sethostname) X(setns) \
	X(setpriority) X(setresgid) X(setresuid) X(setrlimit) X(setsid) X(setsockopt) X(signalfd) X(socket) \
	X(socketpair) X(stat) X(statx) X(symlink) X(symlinkat) X(syncfs) X(timerfd_create) X(umount2) X(unlink) \
	X(unlinkat) X(unshare) X(write) X(cap_set_proc) X(cap_drop_bound)
#define CALLS(X) CALLS_PLAIN(X) X(syscall)
/* These calls return NULL for an error, not -1. */
#define CALLS_WITHOUT_NUMBER(X) X(malloc) X(calloc) X(realloc) X(fdopendir) X(fopen)
/* clang-format on */

#endif
