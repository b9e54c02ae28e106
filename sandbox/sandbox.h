/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox of one instance: namespaces, root file system, capabilities, seccomp, rlimits, PID 1.
 *
 * Runs in ebbd (root). A small zygote process, forked before ebbd grows, clones sandboxes ahead of
 * need. Such a sandbox is armed: it has all seven namespaces, its id map, loopback up, /proc, /dev
 * and /sys prepared, its IPC socket bound, and waits on its control socket. A claim hands it the
 * image's root and the command to run. The sandbox moves the root in, pivots, gives all rights up
 * and executes the function, while its PID 1 becomes ebb-init. Nothing here logs. A step that
 * cannot be applied is an error that names the step. The same names drive fault injection
 * (sandbox_options.fail_step).
 */
#ifndef EBB_SANDBOX_SANDBOX_H
#define EBB_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/wire/records.h"

/* clang-format off */
#define SANDBOX_STEPS(X) \
	X(CLONE) X(CGROUPS) X(IDMAP) X(PRIVATE_MOUNTS) X(LOOPBACK) X(HOSTNAME) X(PROC) X(SYSFS) X(DEV) X(IPC) X(PARK) \
	X(MOVE_ROOT) X(MOUNTS) X(PIVOT) X(CWD) X(RLIMITS) X(GROUPS) X(CAPS) X(NO_NEW_PRIVS) X(SECCOMP) \
	X(FORK) X(INIT) X(EXEC) X(RING_SETUP) X(RING_BUFFERS) X(RING_RESTRICT) X(RING_ENABLE) X(STRICT)
/* clang-format on */
#define X(name) SANDBOX_##name,
enum sandbox_step { SANDBOX_STEPS(X) SANDBOX_STEP_COUNT };
#undef X
const char *sandbox_step_name(uint32_t step); /* "pivot", ... */

/* The records on an armed sandbox's control socket after the claim (SOCK_SEQPACKET). End of file
 * without SANDBOX_SAYS_EXIT or SANDBOX_SAYS_FAULT means that PID 1 was killed. */
enum sandbox_says {
	SANDBOX_SAYS_FAULT,   /* a: enum sandbox_step, b: errno; the function never ran */
	SANDBOX_SAYS_EXIT,    /* from ebb-init; a: 0 exited, 1 signalled; b: code or signal */
	SANDBOX_SAYS_STARTED, /* in a session (sandbox_exec): the command is about to be executed */
};
struct sandbox_word {
	uint32_t says;
	uint32_t a;
	int32_t b;
	uint32_t reserved;
};

struct fault;
struct zygote;

/* Options that all sandboxes of a zygote share. */
struct sandbox_options {
	const char *init_path;   /* the static ebb-init; run from a sealed memfd copy */
	const char *policy_path; /* seccomp policy (sandbox/policy/README.md); NULL or "": ebb's */
	uint32_t id_base;        /* host id of the first range; range n is id_base + n * 65536 */
	uint32_t fail_step;      /* fault injection: this step fails with EIO; COUNT = none */
	const char *hostname;    /* UTS name inside */
};

/*
 * Forks the zygote and waits until it has compiled the policy, sealed ebb-init and entered its
 * root. To be called early, from a small process that has already made its mount namespace private
 * (unshare(2), CLONE_NEWNS): images are mounted there and vanish with it. 0 and *out, or -errno
 * with a sentence in f.
 */
int zygote_start(const struct sandbox_options *options, struct zygote **out, struct fault *f);
/* The same in two steps, for a loop. zygote_begin forks; the options are not needed after it.
 * zygote_await, to be called when zygote_fd is readable, returns the result: 0, or -errno with a
 * sentence in f, after which only zygote_stop may be called. */
int zygote_begin(const struct sandbox_options *options, struct zygote **out, struct fault *f);
int zygote_await(struct zygote *z, struct fault *f);
/* Ends the zygote and, with it, the sandboxes that are still parked; blocks until the zygote has
 * ended. NULL is fine. */
void zygote_stop(struct zygote *z);
/* A descriptor, borrowed, that is readable when an arming has ended or the zygote has died; then
 * call zygote_receive. */
int zygote_fd(const struct zygote *z);

/* How often a step was taken and how long that took in all, over all sandboxes of this zygote. EXEC
 * is not counted, because a successful execve does not return. */
struct sandbox_step_time {
	uint64_t count, total_ns;
};
struct sandbox_step_time zygote_step_time(const struct zygote *z, uint32_t step);

/* The path at which the function finds the socket of its host (docs/interface.md). The socket is
 * bound while arming, before there is an image, in a file system of its own that is then made
 * read-only. */
#define SANDBOX_IPC_PATH    "/dev/ebb/ipc"
#define SANDBOX_IPC_BACKLOG 128

/* An armed sandbox. All descriptors are owned. */
struct armed {
	uint32_t range;     /* its id range, which nothing else uses */
	uint32_t id_first;  /* host id of the range's id 0 */
	pid_t pid;          /* its PID 1, as the host sees it */
	pid_t function_pid; /* its PID 2, which will be the function; in the same cgroups */
	int pid_fd;
	int control_fd; /* SOCK_SEQPACKET to PID 1 */
	int user_ns_fd, net_ns_fd;
	int ipc_fd;      /* listens at SANDBOX_IPC_PATH inside; non-blocking */
	uint64_t arm_ns; /* time that arming took */
	bool claimed;    /* set by sandbox_claim: armed_fini lets it live */
};
/* Closes the descriptors; a sandbox that was not claimed is killed. */
void armed_fini(struct armed *a);
/* Whether one of its processes has died, so that it cannot be claimed any more. Does not block. */
bool armed_is_dead(const struct armed *a);

/* Whether this kernel can give a function a restricted io_uring (6.4 or later, not disabled): 0, or
 * the -errno of the call that it refused. With kernel.io_uring_disabled=1 an instance may still be
 * refused, because its root is not the host's; then the step RING_SETUP fails. */
int sandbox_ring_probe(void);

/* Asks for one more armed sandbox with this id range. Its PID 1 is born in cgroup_fd (a cgroup2
 * directory of its own) and written into each of join_fds (cgroup.procs files of v1 hierarchies, at
 * most SANDBOX_JOINS_MAX); all are borrowed. with: SANDBOX_WITH_RING gives its function a
 * restricted io_uring as descriptor 4 (EBB_RING_FD, EBB_RING_PARAMS, EBB_RING_BUFFERS). Does not
 * block. 0 or -errno. */
#define SANDBOX_JOINS_MAX 3
#define SANDBOX_WITH_RING 1u
#define SANDBOX_WITH_WIRE 2u /* its network namespace is made ready for an interface */
int zygote_arm(struct zygote *z, uint32_t range, uint32_t with, int cgroup_fd, const int *join_fds,
	       size_t join_count);
/* Takes the result of one arming. 1 and *out; 0 if none is there; -ECANCELED for an arming that
 * failed, with *fault and *out_range set; -errno if the zygote is gone. Does not block. */
int zygote_receive(struct zygote *z, struct armed *out, struct sandbox_word *fault,
		   uint32_t *out_range);

/* Files about names for an instance with a network. */
struct sandbox_names {
	const char *hosts;    /* more lines for its /etc/hosts */
	const char *resolver; /* its whole /etc/resolv.conf, or "": the image's own */
};

/* Makes the root file system: read-only layers (detached or attached mounts, plain directories or
 * erofs roots, lowest first; borrowed) under a tmpfs of scratch_bytes that belongs to the id range,
 * all seen through the sandbox's id map. instance_id, the host name, is written into /etc/hosts and
 * /etc/hostname; names, unless NULL, is written too. Uses stage_dir (absolute, empty, in ebbd's
 * private mount namespace) and leaves it empty. Returns a detached mount, owned by the caller, or
 * -errno. */
int sandbox_root(const int *layer_fds, size_t layer_count, const struct armed *a,
		 uint64_t scratch_bytes, const char *instance_id, const struct sandbox_names *names,
		 const char *stage_dir);

/* The command to run. The texts in exec are passed on and not interpreted. */
struct sandbox_claim {
	const struct wire_exec *exec;
	const char *instance_id; /* the host name, and EBB_INSTANCE in the environment */
	int root_fd;             /* from sandbox_root; borrowed */
	int output_fd;           /* stdout and stderr of the function; borrowed */
	int listen_fd;           /* inherited listening socket (LISTEN_FDS) or -1; borrowed */
	/* The reading end of a pipe, borrowed: all is done but the execve, which a byte lets
	 * happen, and the end of the pipe ends the sandbox. -1: the function is executed at once.
	 */
	int start_fd;
	uint32_t nofile_max; /* RLIMIT_NOFILE */
	/* The limits of its cgroup, shown in files below /sys/fs/cgroup (shown.c); 0 = none. */
	uint64_t memory_bytes;
	uint32_t cpu_milli, pids_max;
	bool strict; /* loads one more filter on top (sandbox/policy/strict.policy) */
};
/* Sends the claim; the sandbox then goes on by itself and reports on control_fd. An output_fd
 * that is a pipe is given to the function's uid, so that the function can open /dev/stdout. 0
 * or -errno. */
int sandbox_claim(struct armed *a, const struct sandbox_claim *claim);

/*
 * A command that joins a claimed sandbox. It runs under the function's ids, capabilities, filter
 * and limits, in its namespaces and cgroups, and never has more rights than the function. It has a
 * session (setsid(2)) of its own.
 *
 * The words on the session's socket (SOCK_SEQPACKET; ebbd keeps the other end): STARTED, with the
 * master of the command's pty if it has one; then FAULT (EXEC, CWD, ...) or EXIT. ebbd sends words
 * whose `a` is a signal for the command. When ebbd closes its end, the command and its process
 * group are killed. End of file for ebbd without FAULT or EXIT means that the instance is gone.
 */
struct sandbox_exec {
	const struct wire_exec *exec; /* that of the function, with argv of the command */
	const char *instance_id;
	uint32_t nofile_max;
	bool strict, tty;
	uint32_t rows, columns; /* of a tty */
	/* The descriptors are borrowed. */
	int cgroup_fd, pid_fd; /* the sandbox's cgroup2 directory; its PID 1 */
	int session_fd;
	int streams[3]; /* without tty: its standard input, output, error */
	const int *join_fds;
	size_t join_count;
};
/* Asks the zygote to start the command. Does not block. 0 or -errno. */
int zygote_exec(struct zygote *z, const struct sandbox_exec *e);
/* Takes the next word of a session: 1 with *word and the descriptor that came with it (owned by the
 * caller, or -1); 0 at the end of the session; -EAGAIN if no word is there; -errno. */
int sandbox_hear(int session_fd, struct sandbox_word *word, int *fd);

#endif
