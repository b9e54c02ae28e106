// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * A gateway in an attacker's hands. ebbd starts this program in the place of ebb-gateway, with the
 * same descriptors and rights. It tries to do things that must not work, writes the line
 * "attempt=GROUP_NAME result=..." to stderr for each, then sends READY and idles. The groups:
 *
 *   confined_*  attempts that ebbd's confinement alone must refuse: no filter is loaded yet
 *   ring_*      operations of the inherited io_uring
 *   call_*      system calls under the gateway's own filter, each in a child of its own
 */
/* clang-format on */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/mem.h"
#include "runtime/wire/channel.h"
#include "runtime/wire/records.h"

FILTER_EMBED(gateway_policy, "runtime/gateway/seccomp.policy");

static void report(const char *group, const char *name, const char *result)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "attempt=%s_%s result=%s\n", group, name, result);

	(void)!write(STDERR_FILENO, line, (size_t)n);
}

static void report_errno(const char *group, const char *name, int failed)
{
	report(group, name, failed ? strerrorname_np(errno) : "DONE");
}

/* ---- rights that ebbd's confinement leaves ---- */

static int entries_of_root(void)
{
	DIR *dir = opendir("/");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	return count; /* . and .. */
}

static int connects(int family, const struct sockaddr *address, socklen_t size)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, address, size) == 0;
}

static int status_line_is(const char *what, const char *value)
{
	/* There is no /proc here, so system calls have to tell. */
	if (strcmp(what, "uid0") == 0)
		return getuid() != 0 && geteuid() != 0 && getgid() != 0;
	if (strcmp(what, "nnp") == 0)
		return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
	for (int cap = 0; cap < 41; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			return 0;
	return 1;
}

/* The test listens at a name with the port of this ebbd in it. */
static socklen_t name_witness(int listener_fd, struct sockaddr_un *out)
{
	struct sockaddr_in own = {.sin_family = AF_UNSPEC};
	socklen_t size = sizeof(own);
	int n;

	(void)getsockname(listener_fd, (struct sockaddr *)&own, &size);
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(out->sun_path + 1, sizeof(out->sun_path) - 1, "ebb-hijack-witness-%u",
		     ntohs(own.sin_port));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static void try_confinement(const struct wire_gateway_config *config, int listener_fd)
{
	struct sockaddr_in host = {.sin_family = AF_INET,
				   .sin_port = htons(22),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un abstract;
	socklen_t abstract_size = name_witness(listener_fd, &abstract);
	int high = 0;

	for (int fd = 5; fd < 1024; fd++)
		high += fcntl(fd, F_GETFD) >= 0;
	/* Board, doorbell, counters, access log and listeners came with the configuration. There
	 * must be no other descriptor. */
	report("confined", "only_given_descriptors",
	       (unsigned int)high == GATEWAY_CONFIG_FDS + config->listener_count ? "YES" : "NO");
	report("confined", "root_is_empty", entries_of_root() == 2 ? "YES" : "NO");
	report_errno("confined", "open_proc", open("/proc/self/status", O_RDONLY) < 0);
	report_errno("confined", "open_dotdot", open("/../etc/passwd", O_RDONLY) < 0);
	report_errno("confined", "create_file", open("/x", O_WRONLY | O_CREAT, 0600) < 0);
	report_errno("confined", "mknod", mknod("/x", S_IFCHR | 0600, 0x103) < 0);
	report_errno("confined", "mount", mount("x", "/", "tmpfs", 0, NULL) < 0);
	report_errno("confined", "chroot", chroot("/") < 0);
	report_errno("confined", "setuid_0", setuid(0) < 0);
	report_errno("confined", "connect_host_tcp",
		     !connects(AF_INET, (struct sockaddr *)&host, sizeof(host)));
	report_errno("confined", "connect_host_abstract",
		     !connects(AF_UNIX, (struct sockaddr *)&abstract, abstract_size));
	report("confined", "uid_is_own", status_line_is("uid0", "") ? "YES" : "NO");
	report("confined", "no_new_privs", status_line_is("nnp", "") ? "YES" : "NO");
	report("confined", "no_capability", status_line_is("caps", "") ? "YES" : "NO");
}

/* ---- the ring ---- */

struct ring_attempt {
	const char *name;
	uint8_t operation, flags;
	uint16_t personality;
};

static const struct ring_attempt ring_attempts[] = {
	{"openat", IORING_OP_OPENAT, 0, 0},
	{"openat2", IORING_OP_OPENAT2, 0, 0},
	{"statx", IORING_OP_STATX, 0, 0},
	{"socket", IORING_OP_SOCKET, 0, 0},
	{"bind", 56, 0, 0},
	{"listen", 57, 0, 0},
	{"read", IORING_OP_READ, 0, 0},
	{"write", IORING_OP_WRITE, 0, 0},
	{"readv", IORING_OP_READV, 0, 0},
	{"writev", IORING_OP_WRITEV, 0, 0},
	{"sendmsg", IORING_OP_SENDMSG, 0, 0},
	{"recvmsg", IORING_OP_RECVMSG, 0, 0},
	{"unlinkat", IORING_OP_UNLINKAT, 0, 0},
	{"renameat", IORING_OP_RENAMEAT, 0, 0},
	{"mkdirat", IORING_OP_MKDIRAT, 0, 0},
	{"symlinkat", IORING_OP_SYMLINKAT, 0, 0},
	{"linkat", IORING_OP_LINKAT, 0, 0},
	{"fsetxattr", IORING_OP_FSETXATTR, 0, 0},
	{"splice", IORING_OP_SPLICE, 0, 0},
	{"tee", IORING_OP_TEE, 0, 0},
	{"fallocate", IORING_OP_FALLOCATE, 0, 0},
	{"madvise", IORING_OP_MADVISE, 0, 0},
	{"epoll_ctl", IORING_OP_EPOLL_CTL, 0, 0},
	{"files_update", IORING_OP_FILES_UPDATE, 0, 0},
	{"provide_buffers", IORING_OP_PROVIDE_BUFFERS, 0, 0},
	{"msg_ring", IORING_OP_MSG_RING, 0, 0},
	{"uring_cmd", IORING_OP_URING_CMD, 0, 0},
	{"waitid", 50, 0, 0},
	{"futex_wait", 51, 0, 0},
	{"fixed_fd_install", 54, 0, 0},
	{"forced_worker", IORING_OP_POLL_ADD, IOSQE_ASYNC, 0},
	{"drain", IORING_OP_POLL_ADD, IOSQE_IO_DRAIN, 0},
	{"personality", IORING_OP_POLL_ADD, 0, 1},
};

static void try_ring(const struct wire_gateway_config *config)
{
	struct io_uring ring;
	struct io_uring_params params;

	memcpy(&params, config->ring_params, sizeof(params));
	if (io_uring_queue_mmap(GATEWAY_RING_FD, &params, &ring) < 0)
		return;
	for (unsigned int i = 0; i < params.sq_entries; i++)
		ring.sq.array[i] = i;
	if (syscall(SYS_io_uring_register, GATEWAY_RING_FD, IORING_REGISTER_ENABLE_RINGS, NULL, 0) <
	    0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(ring_attempts); i++) {
		const struct ring_attempt *a = &ring_attempts[i];
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
		struct io_uring_cqe *cqe;

		if (!sqe)
			return;
		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = a->operation;
		sqe->flags = a->flags;
		sqe->personality = a->personality;
		sqe->fd = STDERR_FILENO;
		if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_peek_cqe(&ring, &cqe) < 0) {
			report("ring", a->name, "NOTHING");
			continue;
		}
		report("ring", a->name, cqe->res < 0 ? strerrorname_np(-cqe->res) : "DONE");
		io_uring_cqe_seen(&ring, cqe);
	}
	report_errno("ring", "register_files",
		     syscall(SYS_io_uring_register, GATEWAY_RING_FD, IORING_REGISTER_FILES,
			     (int[]){1}, 1) < 0);
	report_errno("ring", "register_personality",
		     syscall(SYS_io_uring_register, GATEWAY_RING_FD, IORING_REGISTER_PERSONALITY,
			     NULL, 0) < 0);
	report_errno("ring", "register_restrictions",
		     syscall(SYS_io_uring_register, GATEWAY_RING_FD, IORING_REGISTER_RESTRICTIONS,
			     NULL, 0) < 0);
}

/* ---- system calls ---- */

#define CALLS(X)                                                                                   \
	X(openat, syscall(SYS_openat, AT_FDCWD, "/", 0))                                           \
	X(open, syscall(SYS_open, "/", 0))                                                         \
	X(creat, syscall(SYS_creat, "/x", 0600))                                                   \
	X(openat2, syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0))                                   \
	X(stat, syscall(SYS_newfstatat, AT_FDCWD, "/", NULL, 0))                                   \
	X(getdents, syscall(SYS_getdents64, 3, NULL, 0))                                           \
	X(unlink, syscall(SYS_unlink, "/x"))                                                       \
	X(rename, syscall(SYS_rename, "/x", "/y"))                                                 \
	X(chdir, syscall(SYS_chdir, "/"))                                                          \
	X(chroot, syscall(SYS_chroot, "/"))                                                        \
	X(mount, syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL))                                   \
	X(pivot_root, syscall(SYS_pivot_root, ".", "."))                                           \
	X(fork, syscall(SYS_fork))                                                                 \
	X(vfork_clone, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))                                    \
	X(clone3, syscall(SYS_clone3, NULL, 0))                                                    \
	X(execve, syscall(SYS_execve, "/x", NULL, NULL))                                           \
	X(execveat, syscall(SYS_execveat, 3, "", NULL, NULL, AT_EMPTY_PATH))                       \
	X(socket_inet, syscall(SYS_socket, AF_INET, SOCK_STREAM, 0))                               \
	X(socket_unix, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0))                               \
	X(socket_netlink, syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0))                            \
	X(socketpair, syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL))                      \
	X(bind, syscall(SYS_bind, 3, NULL, 0))                                                     \
	X(listen, syscall(SYS_listen, 3, 1))                                                       \
	X(connect, syscall(SYS_connect, 3, NULL, 0))                                               \
	X(accept4, syscall(SYS_accept4, 3, NULL, NULL, 0))                                         \
	X(ptrace, syscall(SYS_ptrace, 16, 1, 0, 0))                                                \
	X(process_vm_readv, syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0))                 \
	X(pidfd_open, syscall(SYS_pidfd_open, 1, 0))                                               \
	X(pidfd_getfd, syscall(SYS_pidfd_getfd, 3, 0, 0))                                          \
	X(kill, syscall(SYS_kill, -1, 0))                                                          \
	X(unshare, syscall(SYS_unshare, CLONE_NEWUSER))                                            \
	X(setns, syscall(SYS_setns, 3, 0))                                                         \
	X(setuid, syscall(SYS_setuid, 0))                                                          \
	X(capset, syscall(SYS_capset, NULL, NULL))                                                 \
	X(bpf, syscall(SYS_bpf, 0, NULL, 0))                                                       \
	X(perf_event_open, syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0))                       \
	X(keyctl, syscall(SYS_keyctl, 0, 0, 0))                                                    \
	X(io_uring_setup, syscall(SYS_io_uring_setup, 1, NULL))                                    \
	X(io_uring_register, syscall(SYS_io_uring_register, 4, 0, NULL, 0))                        \
	X(memfd_create, syscall(SYS_memfd_create, "x", 0))                                         \
	X(mmap_exec, syscall(SYS_mmap, NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) \
	X(mprotect_exec, syscall(SYS_mprotect, NULL, 4096, PROT_EXEC))                             \
	X(dup_descriptor, syscall(SYS_fcntl, 3, F_DUPFD, 10))                                      \
	X(set_owner, syscall(SYS_fcntl, 3, F_SETOWN, 1))                                           \
	X(setsockopt_socket, syscall(SYS_setsockopt, 3, SOL_SOCKET, SO_RCVBUF, NULL, 0))           \
	X(ioctl, syscall(SYS_ioctl, 3, TIOCSTI, NULL))                                             \
	X(prctl, syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0))                                  \
	X(seccomp, syscall(SYS_seccomp, 1, 0, NULL))                                               \
	X(prlimit, syscall(SYS_prlimit64, 0, 7, NULL, NULL))                                       \
	X(epoll_create, syscall(SYS_epoll_create1, 0))                                             \
	X(inotify, syscall(SYS_inotify_init1, 0))                                                  \
	X(userfaultfd, syscall(SYS_userfaultfd, 0))                                                \
	X(sched_setaffinity, syscall(SYS_sched_setaffinity, 0, 0, NULL))                           \
	X(reboot, syscall(SYS_reboot, 0, 0, 0, NULL))

static int filter_self(void)
{
	char err[256];

	return filter_apply(gateway_policy_start,
			    (size_t)(gateway_policy_end - gateway_policy_start), err, sizeof(err));
}

#define X(name, call)                 \
	static long call_##name(void) \
	{                             \
		return call;          \
	}
CALLS(X)
#undef X

static const struct {
	const char *name;
	long (*call)(void);
} call_attempts[] = {
#define X(name, call) {#name, call_##name},
	CALLS(X)
#undef X
};

static void try_call(size_t n)
{
	char result[64];
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (filter_self() < 0)
			_exit(100);
		(void)call_attempts[n].call();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return;
	if (WIFSIGNALED(status))
		snprintf(result, sizeof(result), "SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(result, sizeof(result), "EXIT%d", WEXITSTATUS(status));
	report("call", call_attempts[n].name, result);
}

int main(void)
{
	static struct wire_message m;
	static struct wire_gateway_config config;

	if (wire_recv(GATEWAY_CONTROL_FD, &m) != 1 || m.head.type != WIRE_GATEWAY_CONFIG)
		return 1;
	memcpy(&config, m.record, sizeof(config));
	try_confinement(&config, m.fds[GATEWAY_CONFIG_FDS]);
	try_ring(&config);
	for (size_t i = 0; i < ARRAY_LEN(call_attempts); i++)
		try_call(i);
	report("all", "attempts", "OVER");
	(void)wire_send(GATEWAY_CONTROL_FD, WIRE_GATEWAY_READY, NULL, 0, NULL, 0);
	while (wire_recv(GATEWAY_CONTROL_FD, &m) == 1 && m.head.type != WIRE_GATEWAY_DRAIN)
		wire_message_fini(&m);
	return 0;
}
