/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * Private to sandbox/: the data of a sandbox's processes, and their steps.
 *
 *   ebbd --fork--> zygote --clone3--> PID 1 of a sandbox --fork--> the function
 *                  template.c         arm.c, claim.c               function.c
 *                  birth.c            trees.c
 *
 * The zygote lives in a root of its own (template.c), and sandboxes are born in it, so that no
 * mount of the host is ever copied into a sandbox. PID 1 prepares everything that does not depend
 * on the image (arm.c) and forks the process that will be the function. That process loads its
 * filter (0.1 ms) and reports that the sandbox is armed. Both processes then park. They share
 * their descriptor table and the memory of struct claim, so the function's process has all that
 * PID 1 receives with the claim. On the claim PID 1 moves the root in (claim.c), wakes the
 * function's process (function.c) and becomes ebb-init while the function starts. The function's
 * process may wait once more, right before execve, if the claim came ahead of need. All of these
 * processes have a single thread.
 */
/* clang-format on */
#ifndef EBB_SANDBOX_INSIDE_H
#define EBB_SANDBOX_INSIDE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/capability.h>
#include <sys/types.h>

#include <linux/io_uring.h>

#include "runtime/base/filter.h"
#include "runtime/base/ids.h"
#include "sandbox/sandbox.h"

#define CONTROL_FD      3 /* in the zygote, in every PID 1, in ebb-init */
#define ARGV_MAX        1024
#define ENVP_MAX        2048
#define HOST_NAME_CHARS 64 /* __NEW_UTS_LEN */

/* How long steps take. The memory is shared by ebbd, the zygote and all processes of sandboxes that
 * have not executed yet. */
struct step_clock {
	_Atomic uint64_t count[SANDBOX_STEP_COUNT], total_ns[SANDBOX_STEP_COUNT];
};

/* All sandboxes of a zygote inherit this; it never changes. */
struct shared {
	struct step_clock *clock;
	int init_fd; /* ebb-init, sealed; O_PATH */
	struct filter function_filter, ring_filter, strict_filter, init_filter, zygote_filter;
	uint32_t id_base, fail_step;
	uint64_t host_bytes; /* of memory */
	char hostname[HOST_NAME_CHARS + 1];
};

/* The head of a claim in the message, which has a struct wire_exec behind it and the descriptors
 * root, output, with has_listen the listening socket, and with has_start the pipe of its start. */
#define CLAIM_FDS_MAX 4
struct claim_head {
	char instance_id[INSTANCE_ID_SIZE];
	uint32_t cpu_milli, pids_max;
	uint64_t memory_bytes;
	uint32_t nofile_max, has_listen, has_start, strict;
};

/* A request of ebbd to the zygote. Descriptors: the cgroup2 directory, then the cgroup.procs files
 * of v1 hierarchies to join; with `join` those of exec.c. */
struct zygote_request {
	uint32_t range, with_ring, with_wire;
	/* For a command that joins a sandbox (join_spawn); then a claim_head and a wire_exec
	 * follow. */
	uint32_t join, tty, rows, columns;
};

/* The zygote's answer. Descriptors, unless the arming failed: pid_fd, control_fd, user_ns_fd,
 * net_ns_fd, ipc_fd. */
#define ZYGOTE_REPLY_FDS 5
struct zygote_reply {
	uint64_t arm_ns;
	uint32_t range, id_first;
	int32_t pid; /* 0: it failed, see fault */
	int32_t function_pid;
	struct sandbox_word fault;
};

/* The claim as received: in memory that PID 1 and the function's process share. */
struct claim {
	struct claim_head head;
	struct wire_exec exec;
	int root_fd, output_fd, listen_fd; /* in the descriptor table they share */
	int start_fd;                      /* the same, until the function leaves that table */
	/* Used by the function's process; they are here so that it needs no heap. */
	char *argv[ARGV_MAX + 1], *envp[ENVP_MAX + 1];
	char instance[sizeof("EBB_INSTANCE=") + INSTANCE_ID_SIZE], listen_pid[32];
	char ring[sizeof("EBB_RING_PARAMS=") + 2 * sizeof(struct io_uring_params)];
};

/* cgroup2 directory, PID 1, session, three streams, cgroup.procs files to join */
#define JOIN_FDS_MAX (6 + SANDBOX_JOINS_MAX)

/* A request for a command that joins a sandbox. */
struct join {
	struct zygote_request request;
	struct claim claim; /* head: instance_id, nofile_max, strict */
	int streams[3];
};

/* PID 1 of a sandbox, and the function's process until it executes. All fds are O_CLOEXEC. */
struct inside {
	const struct shared *shared;
	struct claim *claim;
	struct join *join; /* the request, in the processes of a command; else NULL */
	int control_fd;
	int own_fd;                  /* from template_own, until it stands on the stage */
	int limits_fd;               /* SANDBOX_LIMITS_DIR, writable */
	int meminfo_fd;              /* the file that covers /proc/meminfo, writable */
	int proc_fd, sys_fd, dev_fd; /* trees, ready to be moved into the root */
	int go_fd;                   /* eventfd, written when the root is in its place */
	int ipc_fd;                  /* until it is handed to the zygote */
	pid_t function_pid;
	cap_t no_caps;             /* empty; allocated while there is time */
	bool with_ring, with_wire; /* with_wire: it will have a network beyond its loopback */
	int ring_fd;               /* of the function's process */
	struct io_uring_params ring_params;
};

/* The word "armed" from a sandbox to the zygote; enum sandbox_says has only words that
 * ebbd gets. */
#define SAYS_ARMED 100u

struct step {
	enum sandbox_step step;
	int (*run)(struct inside *in); /* 0 or -errno */
	bool waits;                    /* for somebody: not timed */
};
/* Takes the steps in order. 0, or -errno of the first that failed, named in *fault; the step chosen
 * for fault injection fails with EIO instead of being taken. */
int steps_run(struct inside *in, const struct step *steps, size_t count,
	      struct sandbox_word *fault);
/* Adds the time since begun_ns (CLOCK_MONOTONIC) to the step's entry in shared->clock. */
void step_timed(const struct shared *shared, enum sandbox_step step, uint64_t begun_ns);
/* Tells ebbd which step failed. After that the socket takes no further word from any process of the
 * sandbox: PID 1 would else report the exit of the function, too. */
void step_report(int control_fd, const struct sandbox_word *fault);
struct sandbox_word step_fault(enum sandbox_step step, int err);

/* message.c: sends one record with descriptors (borrowed) over SOCK_SEQPACKET. 0 or -errno. */
struct iovec;
int message_send(int socket_fd, const struct iovec *parts, size_t part_count, const int *fds,
		 size_t fd_count, int flags);
/* Receives one record. Returns the bytes received, 0 at the end of file, -EBADMSG for a record that
 * was cut, or -errno. At most fd_max descriptors are received, owned and O_CLOEXEC; others are
 * closed. */
ssize_t message_recv(int socket_fd, const struct iovec *parts, size_t part_count, int *fds,
		     size_t fd_max, size_t *out_fd_count, int flags);

/* seal.c: makes a sealed copy of a program in memory, with mode 0111. Returns an owned O_PATH
 * descriptor or -errno. */
int seal_executable(const char *path);

/* template.c: enters the small root of the zygote. 0 or -errno. */
int template_enter(void);
/* Makes the file system with a sandbox's own device nodes and empty directory. Returns a detached
 * mount, owned by the caller, or -errno. */
int template_own(uint32_t id_first);

/* birth.c: the zygote's process; control is on CONTROL_FD. */
__attribute__((noreturn)) void zygote_main(const struct shared *shared);
/* Sends the zygote's first word: it is in its root, or the fault that keeps it from there. */
struct fault;
int zygote_say_ready(const struct fault *fault);

/* policies.c: compiles the filters of functions from the text at path (NULL or "": ebb's own text),
 * the strict filter that is loaded on top, and the zygote's filter. 0 or -errno with a sentence. */
struct policies {
	struct filter *plain, *ring, *strict, *zygote;
};
int policies_compile(const char *path, const struct policies *out, struct fault *f);

/* arm.c: PID 1 from its first instruction on; control is on CONTROL_FD. */
__attribute__((noreturn)) void arm_main(const struct shared *shared,
					const struct zygote_request *request, int own_fd);

/* trees.c: /proc, /sys and /dev of a sandbox, below the working directory. */
int tree_proc(struct inside *in);
int tree_sys(struct inside *in);
int tree_dev(struct inside *in);

/* shown.c: plain files in the place of cgroup file systems; made while arming, filled at
 * the claim. */
int shown_make(struct inside *in);
int shown_make_facts(struct inside *in); /* the same for /proc */
int shown_fill(struct inside *in);

/* ipc.c: the socket at SANDBOX_IPC_PATH, below the working directory, in a mount of its own. */
int ipc_bind(struct inside *in);

/* claim.c: PID 1 from the claim on. */
__attribute__((noreturn)) void claim_main(struct inside *in);

/* function.c: the function's process until it executes; says that the sandbox is armed. */
__attribute__((noreturn)) void function_main(struct inside *in);

/* Steps of the function's process that a joining command takes too. */
int function_limit(struct inside *in);
int function_close_others(struct inside *in); /* all but 0 to 2, its own and control */
int function_enter_cwd(struct inside *in);
int function_load_strict(struct inside *in);
int function_execute(struct inside *in);

/* exec.c: clones the process that joins a sandbox; runs in the zygote. fds are borrowed; a failure
 * is sent to the session, which is one of them. */
void join_spawn(const struct shared *shared, struct join *join, int *fds, size_t fd_count);

/* ring.c: the function's own io_uring, made by its process before the filter is loaded. */
#define RING_FD      4 /* in the function */
#define RING_BUFFERS 256
#define RING_GROUP   0
int ring_set_up(struct inside *in);
int ring_add_buffers(struct inside *in);
int ring_restrict(struct inside *in);
int ring_enable(struct inside *in);
void ring_describe(const struct io_uring_params *params, char *out);

/* drop.c: gives privileges up; used by PID 1 and by the function's process. */
int drop_bounding_set(void);            /* while arming: leaves the held capabilities */
int narrow_function(struct inside *in); /* after the claim, before the ids change */
int narrow_init(struct inside *in);
int drop_ids(struct inside *in);
int drop_function_caps(struct inside *in);
int drop_init_caps(struct inside *in);
int drop_new_privs(struct inside *in);

#endif
