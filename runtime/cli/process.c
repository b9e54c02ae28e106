// SPDX-License-Identifier: Apache-2.0
/* Helper programs (tar, ebb-build): started without a shell, waited for. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/text.h"
#include "runtime/cli/upload.h"

/* A helper starts with no signal blocked or ignored, whatever this program blocks or ignores. */
static int attributes_init(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r = posix_spawnattr_init(attributes);

	sigemptyset(&none);
	sigfillset(&all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes,
					     POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return r;
}

/* The standard output of a helper goes to out_fd, or to stderr: the standard output of this program
 * carries tables and JSON. */
static int actions_init(posix_spawn_file_actions_t *actions, int out_fd)
{
	int r = posix_spawn_file_actions_init(actions);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, out_fd >= 0 ? out_fd : STDERR_FILENO,
						     STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						     0);
	return r;
}

pid_t process_start(const char *const *argv, int *out_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int ends[2] = {-1, -1};
	pid_t pid;
	int r;

	if (out_fd && pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = actions_init(&actions, ends[1]);
	if (r == 0)
		r = attributes_init(&attributes);
	if (r == 0) {
		r = posix_spawnp(&pid, argv[0], &actions, &attributes, (char *const *)argv,
				 environ);
		posix_spawnattr_destroy(&attributes);
		posix_spawn_file_actions_destroy(&actions);
	}
	fd_close(&ends[1]);
	if (r != 0) {
		fd_close(&ends[0]);
		return -r;
	}
	if (out_fd)
		*out_fd = ends[0];
	return pid;
}

int process_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(const char *const *argv)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, keep_int, keep_term;
	pid_t pid = process_start(argv, NULL);
	int status;

	if (pid < 0)
		return pid;
	sigaction(SIGINT, &ignore, &keep_int);
	sigaction(SIGTERM, &ignore, &keep_term);
	status = process_wait(pid);
	sigaction(SIGINT, &keep_int, NULL);
	sigaction(SIGTERM, &keep_term, NULL);
	return status;
}

bool process_is_there(const char *name)
{
	const char *at = getenv("PATH");

	at = at ? at : "/usr/local/bin:/usr/bin:/bin";
	for (const char *end; *at; at = *end ? end + 1 : end) {
		char path[4096];

		end = strchrnul(at, ':');
		if (text_format(path, sizeof(path), "%.*s/%s", (int)(end - at), at, name) == 0 &&
		    access(path, X_OK) == 0)
			return true;
	}
	return false;
}
