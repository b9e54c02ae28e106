// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/dev_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/file.h"
#include "runtime/cli/places.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/upload.h"

#define FIRST_PORT 8080
#define PORTS      100
#define END_MS     30000 /* more than drain_ms below and the graces of instances */
#define LAST_LINES 12

/* ---- a port ---- */

/* A socket that listens there fails to bind; one that is bound and does not listen does not
 * matter. */
static bool is_free(uint16_t port)
{
	const int on = 1;
	SCOPED_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	       bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static int choose_port(struct dev_server *s)
{
	for (uint16_t port = FIRST_PORT; port < FIRST_PORT + PORTS; port++)
		if (is_free(port))
			return text_format(s->listen, sizeof(s->listen), "127.0.0.1:%u", port);
	return -EADDRINUSE;
}

/* ---- the process ---- */

/* ebbd beside this program, or where installations have it. */
static int find_ebbd(char *path, size_t size)
{
	static const char *const beside[] = {"ebbd", "../libexec/ebb/ebbd", "../sbin/ebbd", NULL};

	return places_find(beside, path, size);
}

/* In the child. It gets no Ctrl-C of the terminal, and SIGTERM when its parent dies. */
static void become_ebbd(const char *program, const struct dev_server *s, pid_t parent, int log_fd)
{
	const char *argv[] = {program,         "--root", s->root, "--listen", s->listen,
			      "--gateways",    "1",      "--set", "armed=1",  "--set",
			      "drain_ms=2000", NULL};
	char notify[4096 + 16];
	sigset_t none;

	sigemptyset(&none);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || setsid() < 0 ||
	    dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0 ||
	    text_format(notify, sizeof(notify), "%s/notify", s->root) < 0 ||
	    setenv("NOTIFY_SOCKET", notify, 1) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		_exit(1);
	(void)signal(SIGPIPE, SIG_DFL);
	execv(program, (char *const *)argv);
	_exit(127);
}

/* Starts ebbd with its log appended to ROOT/ebbd.log. 0 or -errno. */
static int start(struct dev_server *s)
{
	char program[4096 + 64], log[4096];
	SCOPED_FD log_fd = -1, null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t self = getpid();
	int r = find_ebbd(program, sizeof(program));

	if (r == 0)
		r = text_format(log, sizeof(log), "%s/ebbd.log", s->root);
	if (r < 0)
		return r;
	log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0 || null_fd < 0)
		return -errno;
	s->ready = false;
	s->pid = fork();
	if (s->pid < 0)
		return -errno;
	if (s->pid == 0) {
		(void)dup2(null_fd, STDIN_FILENO);
		become_ebbd(program, s, self, log_fd);
	}
	s->pid_fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	return s->pid_fd < 0 ? -errno : 0;
}

/* Opens the socket where ebbd says that it is ready. */
static int listen_for_ready(struct dev_server *s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (text_format(address.sun_path, sizeof(address.sun_path), "%s/notify", s->root) < 0)
		return -ENAMETOOLONG;
	(void)unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	s->notify_fd = keep_fd(&fd);
	return 0;
}

bool dev_server_hears(struct dev_server *s)
{
	char text[4096];
	ssize_t n;

	while ((n = recv(s->notify_fd, text, sizeof(text) - 1, 0)) > 0) {
		text[n] = '\0';
		if (s->ready || strncmp(text, "READY=1", 7) != 0)
			continue;
		s->ready = true;
		return true;
	}
	return false;
}

/* Its exit status (128 + signal), or -ETIMEDOUT. */
static int wait_for_end(struct dev_server *s, int timeout_ms)
{
	struct pollfd wait = {.fd = s->pid_fd, .events = POLLIN};
	int n, status;

	while ((n = poll(&wait, 1, timeout_ms)) < 0 && errno == EINTR)
		continue;
	if (n <= 0)
		return -ETIMEDOUT;
	status = process_wait(s->pid);
	s->pid = 0;
	fd_close(&s->pid_fd);
	return status;
}

/* Says why and shows the last lines of ebbd's log. */
static void say_log(const struct dev_server *s, const char *what)
{
	SCOPED_MEM char *text = NULL;
	char log[4096], *at;
	size_t size = 0, lines = 0;

	say_error("its last lines are below", "ebb doctor says what this host lacks", "%s", what);
	(void)text_format(log, sizeof(log), "%s/ebbd.log", s->root);
	if (file_read(log, &text, &size) < 0)
		return;
	for (at = text + size; at > text && lines <= LAST_LINES; at--)
		lines += at[-1] == '\n';
	text_out_escaped(stderr, lines > LAST_LINES ? at + 1 : at,
			 strlen(at) - (lines > LAST_LINES), true);
}

void dev_server_reap(struct dev_server *s)
{
	bool was_ready = s->ready;

	(void)wait_for_end(s, -1);
	s->ready = false;
	if (!was_ready)
		say_log(s, "ebbd does not start");
}

int dev_server_start(struct dev_server *s)
{
	int r = start(s);

	if (r == 0)
		return CLI_DONE;
	say_error(r == -ENOENT ? "no ebbd beside ebb" : strerror(-r),
		  "make, or make install, puts it there", "cannot start ebbd");
	return CLI_FAILED;
}

/* ---- remains ---- */

/* Waits until the ebbd of this root, if one still ends, has given its lock back. */
static void await_lock(const struct dev_server *s)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[4096];
	SCOPED_FD fd = -1;

	if (text_format(path, sizeof(path), "%s/run/lock", s->root) == 0)
		fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		(void)fcntl(fd, F_SETLKW, &whole);
}

static void await_ready(struct dev_server *s)
{
	struct pollfd waits[] = {{.fd = s->notify_fd, .events = POLLIN},
				 {.fd = s->pid_fd, .events = POLLIN}};

	while (!dev_server_hears(s) && waits[1].revents == 0)
		if (poll(waits, ARRAY_LEN(waits), END_MS) <= 0 && errno != EINTR)
			return;
}

/* Whether it ended as it should, and so left nothing but its files. */
static bool stop(struct dev_server *s)
{
	int status;

	if (s->pid <= 0)
		return false;
	(void)kill(s->pid, SIGTERM);
	status = wait_for_end(s, END_MS);
	if (status >= 0)
		return status == 0;
	(void)kill(s->pid, SIGKILL);
	(void)wait_for_end(s, -1);
	return false;
}

/* An ebbd of the same root removes processes, cgroups, mounts and wires of one that was killed. It
 * starts no service, because their records are gone before. */
static void purge(const char *root)
{
	struct dev_server s = {.lock_fd = -1, .notify_fd = -1, .pid_fd = -1};
	SCOPED_FD root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root_fd < 0 || text_copy(s.root, sizeof(s.root), root) < 0 ||
	    text_copy(s.listen, sizeof(s.listen), "127.0.0.1:0") < 0)
		return;
	await_lock(&s);
	(void)fd_rmtree_at(root_fd, "state");
	(void)fd_rmtree_at(root_fd, "flow");
	if (faccessat(root_fd, "run", F_OK, 0) == 0 && listen_for_ready(&s) == 0 &&
	    start(&s) == 0) {
		await_ready(&s);
		(void)stop(&s);
	}
	fd_close(&s.notify_fd);
	(void)fd_rmtree_at(AT_FDCWD, root);
}

/* Its owner is dead if the lock can be had. It is held until the directory is gone. */
static void clean_one(int base_fd, const char *base, const char *name)
{
	char root[4000];
	SCOPED_FD dir_fd = -1, lock_fd = -1;

	(void)flock(base_fd, LOCK_EX); /* nobody makes one at the moment */
	dir_fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd >= 0)
		lock_fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock_fd >= 0 && flock(lock_fd, LOCK_EX | LOCK_NB) < 0)
		fd_close(&lock_fd);
	(void)flock(base_fd, LOCK_UN);
	if (lock_fd >= 0 && text_format(root, sizeof(root), "%s/%s", base, name) == 0)
		purge(root);
}

static void clean(const char *base)
{
	SCOPED_FD base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = opendir(base);
	const struct dirent *entry;

	while (list && base_fd >= 0 && fd_next_entry(list, &entry) == 1)
		if (strncmp(entry->d_name, "dev-", 4) == 0)
			clean_one(base_fd, base, entry->d_name);
	if (list)
		closedir(list);
}

/* Has a child do it, so that nobody waits for it before the end. */
static void start_cleaner(struct dev_server *s, const char *base)
{
	pid_t self = getpid();

	s->cleaner = fork();
	if (s->cleaner != 0)
		return;
	(void)setpgid(0, 0);
	fd_close(&s->lock_fd);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == self)
		clean(base);
	_exit(0);
}

/* ---- the whole ---- */

static int make_root(struct dev_server *s, const char *base)
{
	SCOPED_FD base_fd = -1;
	char lock[4096];
	int r = fd_mkdir_p(AT_FDCWD, base, 0700);

	if (r == 0)
		r = text_format(s->root, sizeof(s->root), "%s/dev-XXXXXX", base);
	if (r < 0)
		return r;
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base_fd < 0 || flock(base_fd, LOCK_EX) < 0)
		return -errno;
	if (!mkdtemp(s->root)) {
		r = -errno;
		s->root[0] = '\0';
		return r;
	}
	(void)text_format(lock, sizeof(lock), "%s/lock", s->root);
	(void)text_format(s->socket, sizeof(s->socket), "%s/run/api.sock", s->root);
	s->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return s->lock_fd < 0 || flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

int dev_server_init(struct dev_server *s, const char *base, const char *listen)
{
	int r;

	*s = (struct dev_server){.lock_fd = -1, .notify_fd = -1, .pid_fd = -1};
	r = listen ? text_copy(s->listen, sizeof(s->listen), listen) : choose_port(s);
	if (r < 0) {
		say_error(strerror(-r), "name an address with --listen ADDR:PORT",
			  "no port of 127.0.0.1 from %d on is free", FIRST_PORT);
		return CLI_FAILED;
	}
	r = make_root(s, base);
	if (r == 0)
		r = listen_for_ready(s);
	if (r < 0) {
		say_error(strerror(-r), "name another directory with --root DIR",
			  "cannot make a directory in %s", base);
		dev_server_end(s);
		return CLI_FAILED;
	}
	start_cleaner(s, base);
	return CLI_DONE;
}

void dev_server_end(struct dev_server *s)
{
	if (stop(s))
		(void)fd_rmtree_at(AT_FDCWD, s->root);
	else if (*s->root)
		purge(s->root);
	if (s->cleaner > 0)
		(void)waitpid(s->cleaner, NULL, 0);
	s->root[0] = '\0';
	s->cleaner = 0;
	fd_close(&s->notify_fd);
	fd_close(&s->lock_fd);
}
