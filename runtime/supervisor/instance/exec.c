// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/instance/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/ground.h"

static void close_all(int *fds, size_t count)
{
	for (size_t n = 0; n < count; n++)
		fd_close(&fds[n]);
}

/* inner: the command's ends, which its user may open again by /proc/self/fd; outer: ours. */
static int make_pipes(uid_t owner, int inner[3], int outer[3])
{
	for (int n = 0; n < 3; n++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0)
			return -errno;
		inner[n] = ends[n == 0 ? 0 : 1];
		outer[n] = ends[n == 0 ? 1 : 0];
		if (fchown(inner[n], owner, (gid_t)-1) < 0 ||
		    fcntl(outer[n], F_SETFL, O_NONBLOCK) < 0)
			return -errno;
	}
	return 0;
}

/* The start of the function, with the command that is asked for. NULL without memory. */
static struct wire_exec *as_function(const struct instance *i, const struct wire_exec_start *ask)
{
	struct wire_exec *exec = malloc(sizeof(*exec));

	must(i->spec && ask->argc > 0);
	if (!exec)
		return NULL;
	*exec = i->spec->put.exec;
	_Static_assert(sizeof(exec->argv) == sizeof(ask->argv), "one bound");
	memcpy(exec->argv, ask->argv, sizeof(exec->argv));
	exec->argc = ask->argc;
	if (exec->uid != 0)
		exec->capabilities = 0;
	return exec;
}

int exec_start(struct instance *i, const struct wire_exec_start *ask, struct exec *out, char *text,
	       size_t text_size)
{
	SCOPED_MEM struct wire_exec *exec = as_function(i, ask);
	int inner[3] = {-1, -1, -1}, pair[2];
	struct exec e = {.session_fd = -1, .ends = {-1, -1, -1}, .tty = ask->tty};
	struct sandbox_exec how = {.exec = exec,
				   .instance_id = i->id,
				   .nofile_max = i->ground->nofile_max,
				   .strict = i->spec->put.flags & WIRE_SERVICE_STRICT,
				   .tty = ask->tty,
				   .rows = ask->rows,
				   .columns = ask->columns,
				   .pid_fd = i->armed.pid_fd};
	int r = exec ? 0 : -ENOMEM;

	if (r == 0 && !e.tty)
		r = make_pipes(i->armed.id_first + exec->uid, inner, e.ends);
	if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = -errno;
	if (r == 0) {
		e.session_fd = pair[0];
		how.session_fd = pair[1];
		memcpy(how.streams, inner, sizeof(inner));
		r = armory_exec(i->ground->armory, &i->cgroup, &how);
		fd_close(&pair[1]);
	}
	close_all(inner, 3);
	if (r < 0) {
		exec_fini(&e);
		(void)text_format(text, text_size, "the command cannot be started: %s",
				  strerror(-r));
		return r;
	}
	*out = e;
	return 0;
}

static void name_fault(const struct sandbox_word *word, struct wire_exec_ended *end)
{
	end->err = word->b > 0 ? word->b : EIO;
	if (word->a == SANDBOX_EXEC)
		(void)text_format(end->text, sizeof(end->text), "it cannot be executed: %s",
				  strerror(end->err));
	else if (word->b == EAGAIN)
		(void)text_format(end->text, sizeof(end->text),
				  "the instance has no room for another process (ebb.pids)");
	else
		(void)text_format(end->text, sizeof(end->text), "step %s failed: %s",
				  sandbox_step_name(word->a), strerror(end->err));
	end->err = word->a == SANDBOX_EXEC ? EINVAL : end->err;
}

enum exec_says exec_hear(struct exec *e, struct wire_exec_ended *end)
{
	struct sandbox_word word;
	int master_fd = -1;
	int r = sandbox_hear(e->session_fd, &word, &master_fd);

	must(e->session_fd >= 0);
	if (r == -EAGAIN)
		return EXEC_NOTHING;
	if (r == 1 && word.says == SANDBOX_SAYS_STARTED && e->tty == (master_fd >= 0)) {
		if (e->tty && fcntl(master_fd, F_SETFL, O_NONBLOCK) == 0)
			e->ends[0] = master_fd;
		return EXEC_STARTED;
	}
	fd_close(&master_fd);
	if (r == 1 && word.says == SANDBOX_SAYS_EXIT) {
		end->signalled = word.a;
		end->code = word.b;
	} else if (r == 1 && word.says == SANDBOX_SAYS_FAULT) {
		name_fault(&word, end);
	} else {
		end->err = ESRCH;
		(void)text_copy(end->text, sizeof(end->text), "its instance ended");
	}
	return EXEC_ENDED;
}

void exec_signal(const struct exec *e, uint32_t number)
{
	const struct sandbox_word word = {.a = number};

	(void)send(e->session_fd, &word, sizeof(word), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void exec_fini(struct exec *e)
{
	fd_close(&e->session_fd);
	close_all(e->ends, 3);
}
