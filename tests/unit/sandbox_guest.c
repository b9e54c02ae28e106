// SPDX-License-Identifier: Apache-2.0
/* The static program that the sandbox tests run inside: prints facts that it sees, one a line. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/ring_guest.h"

extern char **environ;

static void say_result(const char *name, long result)
{
	printf("%s=%s\n", name, result < 0 ? strerrorname_np(errno) : "ok");
}

static void cat(const char *name, const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0) {
		printf("%s=%s\n", name, strerrorname_np(errno));
		return;
	}
	text[n] = '\0';
	printf("%s={%s}\n", name, text);
	close(fd);
}

static void list(const char *name, const char *path, int digits_only)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	printf("%s=", name);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    (!digits_only || (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')))
			printf("%s ", entry->d_name);
	printf(";\n");
	if (dir)
		closedir(dir);
}

static void see(void)
{
	struct rlimit files;
	char cwd[256], host[65];

	printf("pid=%d ppid=%d uid=%u gid=%u sid=%d\n", getpid(), getppid(), getuid(), getgid(),
	       getsid(0));
	cat("status", "/proc/self/status");
	cat("uid_map", "/proc/self/uid_map");
	cat("cgroup", "/proc/self/cgroup");
	cat("mounts", "/proc/self/mountinfo");
	cat("hosts", "/etc/hosts");
	cat("kcore", "/proc/kcore");
	cat("timers", "/proc/timer_list");
	list("pids", "/proc", 1);
	list("fds", "/proc/self/fd", 0);
	list("root", "/", 0);
	list("dev", "/dev", 0);
	list("up", "/..", 0);
	list("firmware", "/sys/firmware", 0);
	list("net", "/sys/class/net", 0);
	getrlimit(RLIMIT_NOFILE, &files);
	gethostname(host, sizeof(host));
	printf("nofile=%lu/%lu host=%s cwd=%s\n", (unsigned long)files.rlim_cur,
	       (unsigned long)files.rlim_max, host, getcwd(cwd, sizeof(cwd)));
	for (char **e = environ; *e; e++)
		printf("env %s\n", *e);
}

static int connect_ipc(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "/dev/ebb/ipc"};

	return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof(at));
}

static void try_all(void)
{
	char byte = 0;

	say_result("mount", mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
	say_result("unshare", unshare(CLONE_NEWUSER));
	say_result("clone_newns", syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0));
	say_result("clone3", syscall(SYS_clone3, NULL, 0));
	say_result("ptrace", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
	say_result("mem", open("/proc/1/mem", O_RDWR));
	say_result("init_exe", open("/proc/1/exe", O_RDONLY));
	say_result("init_fds", open("/proc/1/fd", O_RDONLY | O_DIRECTORY));
	say_result("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	say_result("io_uring_enter", syscall(SYS_io_uring_enter, 4, 0, 0, 0, NULL, 0));
	say_result("io_uring_register", syscall(SYS_io_uring_register, 4, 12, NULL, 0));
	say_result("bpf", syscall(SYS_bpf, 0, NULL, 0));
	say_result("packet", socket(AF_PACKET, SOCK_RAW, 0));
	say_result("vsock", socket(40, SOCK_STREAM, 0));
	say_result("route", socket(AF_NETLINK, SOCK_RAW, 0));
	say_result("netfilter", socket(AF_NETLINK, SOCK_RAW, 12));
	say_result("setuid0", setuid(0));
	say_result("kill1", kill(1, SIGKILL));
	say_result("sysctl", open("/proc/sys/kernel/hostname", O_WRONLY));
	say_result("sysrq", open("/proc/sysrq-trigger", O_WRONLY));
	say_result("dev_write", open("/dev/x", O_CREAT | O_WRONLY, 0600));
	say_result("shm_write", open("/dev/shm/x", O_CREAT | O_RDWR, 0600));
	say_result("ipc_connect", connect_ipc());
	say_result("ipc_unlink", unlink("/dev/ebb/ipc"));
	say_result("null", write(open("/dev/null", O_WRONLY), &byte, 1));
	say_result("random", read(open("/dev/urandom", O_RDONLY), &byte, 1));
	say_result("pty", posix_openpt(O_RDWR | O_NOCTTY));
	say_result("stdout", open("/dev/stdout", O_WRONLY));
	say_result("prlimit1", prlimit(1, RLIMIT_CORE, NULL, NULL));
	say_result("dumpable", prctl(PR_SET_DUMPABLE, 1));
}

static void listen_80(void)
{
	unsigned char address[16] = {AF_INET, 0, 0, 80, 127, 0, 0, 1};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	say_result("bind80", bind(fd, (struct sockaddr *)address, sizeof(address)));
	say_result("listen80", listen(fd, 1));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	say_result("connect80", connect(fd, (struct sockaddr *)address, sizeof(address)));
}

/* An orphan that ends: only PID 1 can reap it. Returns when it is gone from /proc. */
static void orphan(void)
{
	int pipe_fds[2];
	char path[32];
	struct stat st;
	pid_t middle, grand = 0;

	if (pipe(pipe_fds) < 0)
		return;
	middle = fork();
	if (middle == 0) {
		grand = fork();
		if (grand == 0)
			_exit(0);
		if (write(pipe_fds[1], &grand, sizeof(grand)) < 0)
			_exit(1);
		_exit(0);
	}
	if (read(pipe_fds[0], &grand, sizeof(grand)) < 0)
		return;
	waitpid(middle, NULL, 0);
	snprintf(path, sizeof(path), "/proc/%d", grand);
	for (int i = 0; i < 5000 && stat(path, &st) == 0; i++)
		usleep(1000);
	printf("orphan=%s\n", stat(path, &st) == 0 ? "left" : "reaped");
}

/* Says it is ready, then waits for a signal and exits with its number. */
static void await_signal(void)
{
	sigset_t all;
	int signal = 0;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	printf("ready\n");
	fflush(stdout);
	sigwait(&all, &signal);
	exit(signal);
}

static void look_at_listener(void)
{
	int on = 0;
	socklen_t size = sizeof(on);

	say_result("listener", getsockopt(3, SOL_SOCKET, SO_ACCEPTCONN, &on, &size));
	printf("accepting=%d pid_matches=%d\n", on,
	       getenv("LISTEN_PID") && atoi(getenv("LISTEN_PID")) == getpid());
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} modes[] = {{"see", see},       {"try", try_all},         {"listen80", listen_80},
		     {"orphan", orphan}, {"signal", await_signal}, {"listener", look_at_listener},
		     {"ring", ring_try}, {"ring_work", ring_work}};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "exit") == 0)
			return 7;
		if (strcmp(argv[i], "die") == 0)
			kill(getpid(), SIGUSR1);
		for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++)
			if (strcmp(argv[i], modes[m].name) == 0)
				modes[m].run();
	}
	return 0;
}
