// SPDX-License-Identifier: Apache-2.0
/*
 * The function's process. It loads its filter first, while it is armed, because that takes the
 * longest; the policy allows the steps that follow (giving up ids and capabilities, placing
 * descriptors, execve). Between the filter and execve only ebb's own code runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define LISTEN_FD    3 /* sd_listen_fds(3): the first inherited socket */
#define EXTRA_ENV    8
#define NUMBER_(n)   #n
#define NUMBER(n)    NUMBER_(n)
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int function_limit(struct inside *in)
{
	const struct rlimit files = {in->claim->head.nofile_max, in->claim->head.nofile_max};

	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

/* Out of the way of descriptors with a fixed number. Returns it, or -errno. */
static int move_high(int fd)
{
	int high_fd = fcntl(fd, F_DUPFD_CLOEXEC, 16);

	return high_fd < 0 ? -errno : high_fd;
}

/* Leaves the descriptor table that it shares with PID 1. Input is null already; output and the
 * listening socket take their places. */
static int place_descriptors(struct inside *in)
{
	struct claim *c = in->claim;
	int output_fd = c->output_fd, listen_fd = c->listen_fd;

	_Static_assert(RING_FD > LISTEN_FD && LISTEN_FD == 3, "sd_listen_fds(3)");
	must(output_fd > 2);
	if (close_range(LISTEN_FD, ~0U, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	in->control_fd = move_high(in->control_fd);
	if (c->start_fd >= 0)
		c->start_fd = move_high(c->start_fd);
	if (in->control_fd < 0 || (c->head.has_start && c->start_fd < in->control_fd))
		return -EMFILE;
	if (dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0)
		return -errno;
	if (listen_fd >= 0 && dup2(listen_fd, LISTEN_FD) < 0)
		return -errno;
	/* The ring takes its number last, because another descriptor may have had that number. */
	if (in->with_ring && dup2(in->ring_fd, RING_FD) < 0)
		return -errno;
	return 0;
}

static int load_filter(struct inside *in)
{
	return filter_load(in->with_ring ? &in->shared->ring_filter : &in->shared->function_filter);
}

/* The kernel obeys the stricter of two filters (seccomp(2)), so this filter can only narrow. It is
 * loaded last, because it allows none of ebb's own calls but execve. */
int function_load_strict(struct inside *in)
{
	return in->claim->head.strict ? filter_load(&in->shared->strict_filter) : 0;
}

/* Paths that an image names are resolved from here on: its working directory or its program may be
 * /proc/self/fd/N/../.., so no descriptor of the host's may be open, even one that exec would
 * close. */
int function_close_others(struct inside *in)
{
	const int kept[] = {in->claim->listen_fd >= 0 ? LISTEN_FD : 2, in->with_ring ? RING_FD : 2,
			    in->control_fd, in->claim->start_fd >= 0 ? in->claim->start_fd : 2};
	int first = 3;

	must(in->control_fd > RING_FD);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		if (kept[i] < first)
			continue;
		if (kept[i] > first &&
		    close_range((unsigned int)first, (unsigned int)kept[i] - 1, 0) < 0)
			return -errno;
		first = kept[i] + 1;
	}
	return close_range((unsigned int)first, ~0U, 0) < 0 ? -errno : 0;
}

int function_enter_cwd(struct inside *in)
{
	return chdir(in->claim->exec.cwd) < 0 ? -errno : 0;
}

/* Claimed ahead of need: waits until somebody wants the function to run. */
static int await_start(struct inside *in)
{
	char byte;
	ssize_t n;

	if (in->claim->start_fd < 0)
		return 0;
	do
		n = read(in->claim->start_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	fd_close(&in->claim->start_fd);
	return n == 1 ? 0 : -EPIPE;
}

/* Hands over the IPC socket and parks until the claim. The message means that PID 1 is ready too:
 * PID 1 only listens from now on. */
static int park(struct inside *in)
{
	struct sandbox_word armed = {.says = SAYS_ARMED};
	struct iovec part = {&armed, sizeof(armed)};
	eventfd_t ignored;
	int r = message_send(in->control_fd, &part, 1, &in->ipc_fd, 1, 0);

	fd_close(&in->ipc_fd); /* closes it for PID 1 too, which shares the descriptor table */
	while (r == 0 && eventfd_read(in->go_fd, &ignored) < 0)
		r = errno == EINTR ? 0 : -errno;
	return r;
}

/* Cuts a blob of NUL-terminated strings into a vector. */
static int split(char *blob, size_t size, size_t count, char **out)
{
	const char *end = blob + size;

	for (size_t i = 0; i < count; i++) {
		char *nul = memchr(blob, '\0', (size_t)(end - blob));

		if (!nul)
			return -EINVAL;
		out[i] = blob;
		blob = nul + 1;
	}
	out[count] = NULL;
	return 0;
}

static int build_args(struct inside *in)
{
	struct claim *c = in->claim;
	size_t extra = 0;

	if (c->exec.argc == 0 || c->exec.argc > ARGV_MAX || c->exec.envc + EXTRA_ENV > ENVP_MAX)
		return -E2BIG;
	/* ebb's own variables come first, because getenv(3) takes the first match. */
	snprintf(c->instance, sizeof(c->instance), "EBB_INSTANCE=%s", c->head.instance_id);
	c->envp[extra++] = c->instance;
	c->envp[extra++] = "EBB_IPC_PATH=" SANDBOX_IPC_PATH;
	c->envp[extra++] = "VERCEL_IPC_PATH=" SANDBOX_IPC_PATH;
	if (c->listen_fd >= 0) {
		snprintf(c->listen_pid, sizeof(c->listen_pid), "LISTEN_PID=%d", getpid());
		c->envp[extra++] = "LISTEN_FDS=1";
		c->envp[extra++] = c->listen_pid;
	}
	if (in->with_ring) {
		ring_describe(&in->ring_params, c->ring);
		c->envp[extra++] = "EBB_RING_FD=" NUMBER(RING_FD);
		c->envp[extra++] = "EBB_RING_BUFFERS=" NUMBER(RING_BUFFERS);
		c->envp[extra++] = c->ring;
	}
	if (split(c->exec.argv, sizeof(c->exec.argv), c->exec.argc, c->argv) < 0)
		return -EINVAL;
	return split(c->exec.env, sizeof(c->exec.env), c->exec.envc, c->envp + extra);
}

static const char *search_path(char *const *envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return DEFAULT_PATH;
}

/* The errno of a failed execve(2), or -ELIBACC: for a file that exists, ENOENT means that its
 * loader or the interpreter in its first line is missing. */
static int why_not(const char *file)
{
	int r = -errno;

	return r == -ENOENT && access(file, F_OK) == 0 ? -ELIBACC : r;
}

/* execvpe(3) over the PATH of the new environment; nothing is handed to a shell. */
static int execute(struct claim *c)
{
	const char *path = search_path(c->envp), *name = c->argv[0];
	int r = -ENOENT;

	if (strchr(name, '/') || !*name) {
		execve(name, c->argv, c->envp);
		return why_not(name);
	}
	for (size_t length; *path; path += length + (path[length] == ':')) {
		char file[4096];

		length = strcspn(path, ":");
		if (snprintf(file, sizeof(file), "%.*s%s%s", (int)length, path, length ? "/" : "",
			     name) >= (int)sizeof(file))
			return -ENAMETOOLONG;
		execve(file, c->argv, c->envp);
		if (errno == EACCES)
			r = -EACCES; /* the better reason, if no other place has it */
		else if (errno != ENOTDIR && why_not(file) != -ENOENT)
			return why_not(file);
	}
	return r;
}

int function_execute(struct inside *in)
{
	sigset_t none;
	int r = build_args(in);

	if (r < 0)
		return r;
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return -errno;
	return execute(in->claim);
}

/* These steps come before the filter is loaded, which refuses all of them. */
static const struct step ring_steps[] = {
	{SANDBOX_RING_SETUP, ring_set_up},
	{SANDBOX_RING_BUFFERS, ring_add_buffers},
	{SANDBOX_RING_RESTRICT, ring_restrict},
	{SANDBOX_RING_ENABLE, ring_enable},
};

static const struct step function_steps[] = {
	{SANDBOX_NO_NEW_PRIVS, drop_new_privs},
	{SANDBOX_SECCOMP, load_filter},
	{SANDBOX_FORK, park, .waits = true},
	{SANDBOX_FORK, place_descriptors},
	{SANDBOX_FORK, function_close_others},
	{SANDBOX_RLIMITS, function_limit},
	{SANDBOX_CAPS, narrow_function},
	{SANDBOX_GROUPS, drop_ids},
	{SANDBOX_CAPS, drop_function_caps},
	{SANDBOX_CWD, function_enter_cwd},
	{SANDBOX_FORK, await_start, .waits = true},
	{SANDBOX_STRICT, function_load_strict},
	{SANDBOX_EXEC, function_execute},
};

void function_main(struct inside *in)
{
	struct sandbox_word fault;

	(void)setsid();
	if (!in->with_ring || steps_run(in, ring_steps, ARRAY_LEN(ring_steps), &fault) == 0)
		(void)steps_run(in, function_steps, ARRAY_LEN(function_steps), &fault);
	step_report(in->control_fd, &fault);
	_exit(1);
}
