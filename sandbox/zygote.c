// SPDX-License-Identifier: Apache-2.0
/* ebbd's side: starting the zygote, asking it for sandboxes, taking them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "sandbox/inside.h"

FILTER_EMBED(sandbox_init_policy, "sandbox/policy/init.policy");

struct zygote {
	struct step_clock *clock;
	pid_t pid;
	int control_fd;
};

static int shared_init(struct shared *s, const struct sandbox_options *o, struct fault *f)
{
	char why[256];
	int r;

	*s = (struct shared){.init_fd = -1,
			     .id_base = o->id_base,
			     .fail_step = o->fail_step,
			     .host_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) *
					   (uint64_t)sysconf(_SC_PAGESIZE)};
	if (text_copy(s->hostname, sizeof(s->hostname), o->hostname) < 0)
		return fault_errno(f, -ENAMETOOLONG, "host name '%s'", o->hostname);
	r = policies_compile(o->policy_path,
			     &(struct policies){.plain = &s->function_filter,
						.ring = &s->ring_filter,
						.strict = &s->strict_filter,
						.zygote = &s->zygote_filter},
			     f);
	if (r < 0)
		return r;
	r = filter_compile(sandbox_init_policy_start,
			   (size_t)(sandbox_init_policy_end - sandbox_init_policy_start),
			   &s->init_filter, why, sizeof(why));
	if (r < 0)
		return fault_say(f, r, "seccomp policy of ebb-init, %s", why);
	s->init_fd = seal_executable(o->init_path);
	if (s->init_fd < 0)
		return fault_errno(f, s->init_fd, "cannot load %s", o->init_path);
	return 0;
}

/* Processes inside a sandbox may read the command line of a command until it executes (exec.c), and
 * it begins as a copy of the zygote. proc(5): any process may read it. */
static int forget_command_line(void)
{
	static const char own[] = "ebbd:zygote";
	SCOPED_FD fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	char part[512];
	size_t size = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = fd_read_all(fd, part, sizeof(part))) > 0)
		size += (size_t)n;
	if (n < 0)
		return (int)n;
	memset(program_invocation_name, 0, size);
	if (size > sizeof(own))
		memcpy(program_invocation_name, own, sizeof(own));
	return 0;
}

/* The forked child keeps one descriptor, and the standard streams until it is in its root. It
 * compiles the filters itself, because that takes longer than a handler of ebbd may block. */
__attribute__((noreturn)) static void become_zygote(const struct sandbox_options *options,
						    struct step_clock *clock, int control_fd)
{
	struct fault fault = {0};
	struct shared shared;

	/* ebbd may ignore SIGPIPE, and a program executed later would inherit that. */
	(void)signal(SIGPIPE, SIG_DFL);
	if ((control_fd != CONTROL_FD && dup3(control_fd, CONTROL_FD, O_CLOEXEC) < 0) ||
	    fd_close_from(CONTROL_FD + 1) < 0)
		_exit(1);
	if (forget_command_line() < 0)
		_exit(1);
	if (shared_init(&shared, options, &fault) < 0) {
		(void)zygote_say_ready(&fault);
		_exit(1);
	}
	shared.clock = clock;
	zygote_main(&shared);
}

static int fork_zygote(const struct sandbox_options *options, struct zygote *z)
{
	const int room = 8 << 20;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	z->control_fd = pair[0];
	/* The send buffer takes the requests of all commands that may run at once, so that ebbd
	 * never has to wait. */
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0) {
		int err = -errno;

		fd_close(&pair[0]);
		fd_close(&pair[1]);
		z->control_fd = -1;
		return err;
	}
	z->pid = fork();
	if (z->pid == 0)
		become_zygote(options, z->clock, pair[1]);
	fd_close(&pair[1]);
	return z->pid < 0 ? -errno : 0;
}

int zygote_begin(const struct sandbox_options *options, struct zygote **out, struct fault *f)
{
	struct zygote *z = malloc(sizeof(*z));
	int r;

	if (!z)
		return fault_errno(f, -ENOMEM, "cannot start the zygote");
	*z = (struct zygote){.pid = -1, .control_fd = -1};
	z->clock = mmap(NULL, sizeof(*z->clock), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (z->clock == MAP_FAILED) {
		free(z);
		return fault_errno(f, -ENOMEM, "cannot start the zygote");
	}
	r = fork_zygote(options, z);
	if (r < 0) {
		zygote_stop(z);
		return fault_errno(f, r, "cannot start the zygote");
	}
	*out = z;
	return 0;
}

int zygote_await(struct zygote *z, struct fault *f)
{
	struct fault said = {0};
	struct iovec part = {&said, sizeof(said)};
	size_t none;
	ssize_t n = message_recv(z->control_fd, &part, 1, NULL, 0, &none, 0);

	if (n != sizeof(said) || said.err < 0)
		return fault_errno(f, -ECHILD, "the zygote ended while it started");
	if (said.err && f && !f->err)
		*f = said;
	return -said.err;
}

int zygote_start(const struct sandbox_options *options, struct zygote **out, struct fault *f)
{
	struct zygote *z;
	int r = zygote_begin(options, &z, f);

	if (r < 0)
		return r;
	r = zygote_await(z, f);
	if (r < 0) {
		zygote_stop(z);
		return r;
	}
	*out = z;
	return 0;
}

void zygote_stop(struct zygote *z)
{
	if (!z)
		return;
	fd_close(&z->control_fd);
	munmap(z->clock, sizeof(*z->clock));
	while (z->pid > 0 && waitpid(z->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(z);
}

struct sandbox_step_time zygote_step_time(const struct zygote *z, uint32_t step)
{
	must(step < SANDBOX_STEP_COUNT);
	return (struct sandbox_step_time){.count = atomic_load(&z->clock->count[step]),
					  .total_ns = atomic_load(&z->clock->total_ns[step])};
}

int zygote_fd(const struct zygote *z)
{
	return z->control_fd;
}

int zygote_arm(struct zygote *z, uint32_t range, uint32_t with, int cgroup_fd, const int *join_fds,
	       size_t join_count)
{
	struct zygote_request request = {.range = range,
					 .with_ring = with & SANDBOX_WITH_RING,
					 .with_wire = with & SANDBOX_WITH_WIRE};
	struct iovec part = {&request, sizeof(request)};
	int fds[1 + SANDBOX_JOINS_MAX] = {cgroup_fd};

	if (join_count > SANDBOX_JOINS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < join_count; i++)
		fds[1 + i] = join_fds[i];
	return message_send(z->control_fd, &part, 1, fds, 1 + join_count, MSG_DONTWAIT);
}

static int take_reply(const struct zygote_reply *reply, const int *fds, size_t fd_count,
		      struct armed *out, struct sandbox_word *fault, uint32_t *out_range)
{
	if (reply->pid == 0 || fd_count != ZYGOTE_REPLY_FDS) {
		*fault = reply->fault;
		*out_range = reply->range;
		return -ECANCELED;
	}
	*out = (struct armed){.range = reply->range,
			      .id_first = reply->id_first,
			      .pid = reply->pid,
			      .function_pid = reply->function_pid,
			      .pid_fd = fds[0],
			      .control_fd = fds[1],
			      .user_ns_fd = fds[2],
			      .net_ns_fd = fds[3],
			      .ipc_fd = fds[4],
			      .arm_ns = reply->arm_ns};
	return 1;
}

int zygote_receive(struct zygote *z, struct armed *out, struct sandbox_word *fault,
		   uint32_t *out_range)
{
	struct zygote_reply reply;
	struct iovec part = {&reply, sizeof(reply)};
	int fds[ZYGOTE_REPLY_FDS];
	size_t fd_count = 0;
	ssize_t n =
		message_recv(z->control_fd, &part, 1, fds, ARRAY_LEN(fds), &fd_count, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	if (n != sizeof(reply))
		return -EPIPE;
	return take_reply(&reply, fds, fd_count, out, fault, out_range);
}

void armed_fini(struct armed *a)
{
	if (a->pid_fd >= 0 && !a->claimed)
		(void)pidfd_send_signal(a->pid_fd, SIGKILL, NULL, 0);
	fd_close(&a->pid_fd);
	fd_close(&a->control_fd);
	fd_close(&a->user_ns_fd);
	fd_close(&a->net_ns_fd);
	fd_close(&a->ipc_fd);
}

bool armed_is_dead(const struct armed *a)
{
	struct pollfd p = {.fd = a->pid_fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* Opening /dev/stdout opens the pipe anew, and the kernel then checks the pipe's owner and mode.
 * Other users may write too, because a server that has become another user opens its logs again. */
static int give_output(int output_fd, uint32_t host_uid)
{
	struct stat st;

	if (fstat(output_fd, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) &&
	    (fchown(output_fd, host_uid, (gid_t)-1) < 0 || fchmod(output_fd, 0622) < 0))
		return -errno;
	return 0;
}

int sandbox_claim(struct armed *a, const struct sandbox_claim *c)
{
	int fds[CLAIM_FDS_MAX] = {c->root_fd, c->output_fd};
	size_t fd_count = 2;
	struct claim_head head = {.memory_bytes = c->memory_bytes,
				  .cpu_milli = c->cpu_milli,
				  .pids_max = c->pids_max,
				  .nofile_max = c->nofile_max,
				  .has_listen = c->listen_fd >= 0,
				  .has_start = c->start_fd >= 0,
				  .strict = c->strict};
	const struct iovec parts[] = {{&head, sizeof(head)}, {(void *)c->exec, sizeof(*c->exec)}};
	int r;

	if (c->exec->uid >= IDS_PER_RANGE || c->exec->gid >= IDS_PER_RANGE)
		return -EINVAL;
	r = text_copy(head.instance_id, sizeof(head.instance_id), c->instance_id);
	if (r < 0)
		return r;
	r = give_output(c->output_fd, a->id_first + c->exec->uid);
	if (r < 0)
		return r;
	if (head.has_listen)
		fds[fd_count++] = c->listen_fd;
	if (head.has_start)
		fds[fd_count++] = c->start_fd;
	r = message_send(a->control_fd, parts, ARRAY_LEN(parts), fds, fd_count, MSG_DONTWAIT);
	if (r == 0)
		a->claimed = true;
	return r;
}

int zygote_exec(struct zygote *z, const struct sandbox_exec *e)
{
	const struct zygote_request request = {
		.join = 1, .tty = e->tty, .rows = e->rows, .columns = e->columns};
	struct claim_head head = {.nofile_max = e->nofile_max, .strict = e->strict};
	const struct iovec parts[] = {{(void *)&request, sizeof(request)},
				      {&head, sizeof(head)},
				      {(void *)e->exec, sizeof(*e->exec)}};
	int fds[JOIN_FDS_MAX] = {e->cgroup_fd, e->pid_fd, e->session_fd};
	size_t count = 3;

	if (e->join_count > SANDBOX_JOINS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < 3 && !e->tty; i++)
		fds[count++] = e->streams[i];
	for (size_t i = 0; i < e->join_count; i++)
		fds[count++] = e->join_fds[i];
	if (text_copy(head.instance_id, sizeof(head.instance_id), e->instance_id) < 0)
		return -ENAMETOOLONG;
	return message_send(z->control_fd, parts, ARRAY_LEN(parts), fds, count, MSG_DONTWAIT);
}

int sandbox_hear(int session_fd, struct sandbox_word *word, int *fd)
{
	struct iovec part = {word, sizeof(*word)};
	size_t fd_count = 0;
	ssize_t n = message_recv(session_fd, &part, 1, fd, 1, &fd_count, MSG_DONTWAIT);

	if (fd_count == 0)
		*fd = -1;
	if (n <= 0)
		return (int)n;
	return n == sizeof(*word) ? 1 : -EBADMSG;
}
