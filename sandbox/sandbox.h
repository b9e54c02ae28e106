/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox of one instance: namespaces, root file system, capabilities, seccomp, rlimits, PID 1.
 *
 * Runs in ebbd (root). A small zygote process, forked before ebbd grows, clones sandboxes ahead of
 * need ("armed": all seven namespaces, id map, loopback up, /proc, /dev and /sys prepared, its IPC
 * socket bound, parked on its control socket). Claiming one hands it the image's root and the
 * process to run; it moves the root in, pivots, drops everything and executes the function while
 * PID 1 becomes ebb-init. Nothing here logs; every step that can't be applied is an error that
 * names the step. The same names drive fault injection (sandbox_options.fail_step).
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

/* Records on an armed sandbox's control socket after the claim (SOCK_SEQPACKET, one each). EOF
 * without SANDBOX_SAYS_EXIT: PID 1 was killed. */
enum sandbox_says {
	SANDBOX_SAYS_FAULT,   /* a: enum sandbox_step, b: errno; the function never ran */
	SANDBOX_SAYS_EXIT,    /* from ebb-init; a: 0 exited, 1 signalled; b: code or signal */
	SANDBOX_SAYS_STARTED, /* of a session (sandbox_exec): it is about to be executed */
};
struct sandbox_word {
	uint32_t says;
	uint32_t a;
	int32_t b;
	uint32_t reserved;
};

struct fault;
struct zygote;

/* Shared by all sandboxes of this ebbd. */
struct sandbox_options {
	const char *init_path;   /* the static ebb-init; run from a sealed memfd copy */
	const char *policy_path; /* seccomp text policy (sandbox/policy/README.md); NULL or "" =
				    ebb's own */
	uint32_t id_base;        /* host id of the first range; range n is id_base + n * 65536 */
	uint32_t fail_step;      /* fault injection: this step fails with EIO; COUNT = none */
	const char *hostname;    /* UTS name inside */
};

/*
 * Forks the zygote, which compiles the policy, seals ebb-init and enters its root, and waits for
 * that. Call early, from a small process that has already made its mount namespace private
 * (unshare(CLONE_NEWNS)): images are mounted there and vanish with it. 0 and *out, or -errno with a
 * sentence.
 */
int zygote_start(const struct sandbox_options *options, struct zygote **out, struct fault *f);
/* The same in two steps, for a loop: the fork (the options are not needed behind it), and, when
 * zygote_fd is readable, the result: 0, or -errno with a sentence; then only zygote_stop is left.
 */
int zygote_begin(const struct sandbox_options *options, struct zygote **out, struct fault *f);
int zygote_await(struct zygote *z, struct fault *f);
/* Ends the zygote and, with it, sandboxes still parked. NULL is fine. */
void zygote_stop(struct zygote *z);
/* Readable when an arming has finished, or at EOF when the zygote died; then call zygote_receive.
 */
int zygote_fd(const struct zygote *z);

/* How often a step was taken and how long that took in all, over all sandboxes of this zygote. EXEC
 * is not among them: a step that succeeds there does not return. */
struct sandbox_step_time {
	uint64_t count, total_ns;
};
struct sandbox_step_time zygote_step_time(const struct zygote *z, uint32_t step);

/* Where the function finds the socket of its host (docs/interface.md): bound while arming, before
 * any image is there, in a file system of our own that is read-only from then on. */
#define SANDBOX_IPC_PATH    "/dev/ebb/ipc"
#define SANDBOX_IPC_BACKLOG 128

/* An armed sandbox. All descriptors are owned. */
struct armed {
	uint32_t range;     /* its id range; unused by anyone else */
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
void armed_fini(struct armed *a); /* kills it if it was not claimed */
/* One of its processes was killed: it cannot be claimed any more. */
bool armed_is_dead(const struct armed *a);

/* Whether this kernel can give a function a restricted io_uring (6.4 or later, not disabled): 0, or
 * -errno of what it refused. An instance may still be refused: its root is not the host's
 * (kernel.io_uring_disabled=1), and then the step says so. */
int sandbox_ring_probe(void);

/* Asks for one more armed sandbox with this id range, its PID 1 born in cgroup_fd (a cgroup2
 * directory of its own) and written into each of join_fds (cgroup.procs of v1 hierarchies, at most
 * SANDBOX_JOINS_MAX), all borrowed. with WITH_RING: its function gets a restricted io_uring as
 * descriptor 4 (EBB_RING_FD, EBB_RING_PARAMS, EBB_RING_BUFFERS). Does not block. 0 or -errno. */
#define SANDBOX_JOINS_MAX 3
#define SANDBOX_WITH_RING 1u
#define SANDBOX_WITH_WIRE 2u /* its network namespace is made ready for an interface */
int zygote_arm(struct zygote *z, uint32_t range, uint32_t with, int cgroup_fd, const int *join_fds,
	       size_t join_count);
/* Takes one finished arming. 1 and *out; 0 nothing there; -errno. On a failed arming: -ECANCELED
 * with *fault filled and *out_range set. */
int zygote_receive(struct zygote *z, struct armed *out, struct sandbox_word *fault,
		   uint32_t *out_range);

/* Files about names for an instance with a network. */
struct sandbox_names {
	const char *hosts;    /* more lines for its /etc/hosts */
	const char *resolver; /* its whole /etc/resolv.conf, or "": the image's own */
};

/* The root file system: read-only layers (detached or attached mounts, plain directories or erofs
 * roots, lowest first) under a tmpfs of scratch_bytes that belongs to the id range, seen through
 * the sandbox's id map. instance_id, the host name, is put into its /etc/hosts and /etc/hostname,
 * and names, if it is not NULL. Returns a detached mount fd (the caller's) or -errno.
 * Uses stage_dir (absolute, empty, in ebbd's private mount namespace) and leaves it empty. */
int sandbox_root(const int *layer_fds, size_t layer_count, const struct armed *a,
		 uint64_t scratch_bytes, const char *instance_id, const struct sandbox_names *names,
		 const char *stage_dir);

/* The command to run. exec's texts are passed on unread. */
struct sandbox_claim {
	const struct wire_exec *exec;
	const char *instance_id; /* added to the environment as EBB_INSTANCE, beside
				    EBB_IPC_PATH and VERCEL_IPC_PATH; and the host name */
	int root_fd;             /* from sandbox_root; borrowed */
	int output_fd;           /* stdout and stderr of the function; borrowed */
	int listen_fd;           /* inherited listening socket (LISTEN_FDS) or -1; borrowed */
	uint32_t nofile_max;     /* RLIMIT_NOFILE */
	/* Its cgroup's, as files below /sys/fs/cgroup tell run-times that look there; 0 = none. */
	uint64_t memory_bytes;
	uint32_t cpu_milli, pids_max;
	bool strict; /* one more filter (sandbox/policy/strict.policy) on top */
};
/* Sends the claim; the sandbox goes on by itself and reports on control_fd. An output_fd that is a
 * pipe is given to the function's uid, so that it can open /dev/stdout. 0 or -errno. */
int sandbox_claim(struct armed *a, const struct sandbox_claim *claim);

/*
 * A command that joins a claimed sandbox: under its ids, capabilities, filter and limits, in its
 * namespaces and cgroups; never with more than the function has. It is a session of its own.
 *
 * Words on the session's socket (SOCK_SEQPACKET; ebbd keeps the other end): STARTED, with the
 * master of its pty if it has one; then FAULT (EXEC, CWD, ...) or EXIT. From ebbd: a word whose a
 * is a signal for the command. The end of ebbd's descriptor kills the command and its group; the
 * end of the other one without a word means that the instance is gone.
 */
struct sandbox_exec {
	const struct wire_exec *exec; /* the function's own but for argv */
	const char *instance_id;
	uint32_t nofile_max;
	bool strict, tty;
	uint32_t rows, columns; /* of a tty */
	/* borrowed: */
	int cgroup_fd, pid_fd; /* its cgroup2 directory; its PID 1 */
	int session_fd;
	int streams[3]; /* without tty: its standard input, output, error */
	const int *join_fds;
	size_t join_count;
};
/* Asks for one; does not block. 0 or -errno. */
int zygote_exec(struct zygote *z, const struct sandbox_exec *e);
/* The next word of a session: 1 with *word and the descriptor that came with it (the caller's, or
 * -1); 0 at its end; -EAGAIN if none is there; -errno. */
int sandbox_hear(int session_fd, struct sandbox_word *word, int *fd);

#endif
