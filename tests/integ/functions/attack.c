// SPDX-License-Identifier: Apache-2.0
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB         (1 << 20)
#define THREADS_MAX 64

static char block[64 * 1024];

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A thread of an attack: state that a step keeps for the next one. */
struct thread {
	pthread_t id;
	int number, fd;
	long did;
	long long until_ns;
	void (*step)(struct thread *t);
};

static void spin(struct thread *t)
{
	static volatile unsigned long sink;

	for (unsigned long i = 0; i < 200000; i++)
		sink = sink + i;
}

static void fork_and_reap(struct thread *t)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* Each process forks again and again, to the limit of processes; after 200 ms all are killed. */
static void bomb(struct thread *t)
{
	pid_t first = fork();

	if (first == 0) {
		setpgid(0, 0);
		for (;;)
			(void)!fork();
	}
	if (first < 0)
		return;
	setpgid(first, first);
	usleep(200 * 1000);
	kill(-first, SIGKILL);
	waitpid(first, NULL, 0);
}

static void exec_itself(struct thread *t)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/proc/self/exe", "probe", "hoard", "nothing", "0", NULL);
		_exit(1);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void crash_a_child(struct thread *t)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void touch_memory(struct thread *t)
{
	size_t size = 32 * MIB;
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return;
	for (size_t n = 0; n < size; n += 4096)
		at[n] = 1;
	munmap(at, size);
}

/* Each change of protection interrupts every CPU that runs a thread of this process. */
static void shoot_down(struct thread *t)
{
	char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; at != MAP_FAILED && i < 100; i++) {
		*at = 1;
		mprotect(at, 4096, PROT_READ);
		mprotect(at, 4096, PROT_READ | PROT_WRITE);
	}
	munmap(at, 4096);
}

static void fill_scratch(struct thread *t)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/fill-%d", t->number);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	for (int n = 0; n < 512 && write(fd, block, sizeof(block)) > 0; n++)
		;
	close(fd);
	unlink(path);
}

/* The image's own pages, which every instance of it shares: read and thrown out. */
static void drop_pages(struct thread *t)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	while (read(fd, block, sizeof(block)) > 0)
		;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void open_and_close(struct thread *t)
{
	int first = open("/dev/null", O_RDONLY), n = 0;

	while (n++ < 1000 && dup(first) >= 0)
		;
	syscall(SYS_close_range, first, first + 1000, 0);
}

static void make_inodes(struct thread *t)
{
	char path[64];

	for (int n = 0; n < 200; n++) {
		snprintf(path, sizeof(path), "/tmp/inode-%d-%d", t->number, n);
		mkdir(path, 0700);
	}
	for (int n = 0; n < 200; n++) {
		snprintf(path, sizeof(path), "/tmp/inode-%d-%d", t->number, n);
		rmdir(path);
	}
}

/* Each leaves a dentry that says there is no such file. */
static void miss_names(struct thread *t)
{
	char path[64];
	struct stat st;

	for (int n = 0; n < 200; n++) {
		snprintf(path, sizeof(path), "/tmp/none-%d-%ld-%d", t->number, t->did, n);
		stat(path, &st);
	}
}

/* Every rename takes rename_lock, of which a kernel has one. */
static void rename_on(struct thread *t)
{
	char from[64], to[64];

	snprintf(from, sizeof(from), "/dev/shm/from-%d", t->number);
	snprintf(to, sizeof(to), "/dev/shm/to-%d", t->number);
	close(open(from, O_CREAT | O_WRONLY, 0600));
	for (int n = 0; n < 100; n++)
		rename(n % 2 ? to : from, n % 2 ? from : to);
	unlink(from);
}

/* All due every 200 us. */
static void run_timers(struct thread *t)
{
	struct itimerspec each = {{0, 200 * 1000}, {0, 200 * 1000}};
	uint64_t times;
	int fds[200];

	for (int n = 0; n < 200; n++) {
		fds[n] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		timerfd_settime(fds[n], 0, &each, NULL);
	}
	for (int n = 0; n < 20000; n++)
		(void)!read(fds[n % 200], &times, sizeof(times));
	for (int n = 0; n < 200; n++)
		close(fds[n]);
}

static void write_lines(struct thread *t)
{
	static const char lines[] = "a line\na line\na line\na line\n";

	(void)!write(STDOUT_FILENO, lines, sizeof(lines) - 1);
}

static int to_host(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const char *path = getenv("EBB_IPC_PATH");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval brief = {0, 100 * 1000};

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path ? path : "");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof(brief));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void tell_the_host(struct thread *t)
{
	static const char text[] = "{\"type\":\"x\"}";

	if (t->fd < 0)
		t->fd = to_host();
	for (int n = 0; n < 100 && t->fd >= 0; n++) {
		if (send(t->fd, text, sizeof(text), MSG_NOSIGNAL) > 0)
			continue;
		close(t->fd);
		t->fd = -1;
	}
}

static void connect_the_host(struct thread *t)
{
	int fd = to_host();

	if (fd >= 0)
		close(fd);
}

/* Connections to itself, each reset at its end. */
static void connect_itself(struct thread *t)
{
	const char *port = getenv("PORT");
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)(port ? atoi(port) : 8080)),
				 .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct linger reset = {1, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	(void)!connect(fd, (struct sockaddr *)&at, sizeof(at));
	close(fd);
}

static void send_datagrams(struct thread *t)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};

	if (t->fd < 0)
		t->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (int n = 0; n < 100; n++)
		sendto(t->fd, block, 32 * 1024, MSG_DONTWAIT, (struct sockaddr *)&at, sizeof(at));
}

/* Two processes that wake each other. */
static void play_ping_pong(struct thread *t)
{
	int pair[2];
	char byte = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		while (read(pair[1], &byte, 1) == 1 && write(pair[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(pair[1]);
	for (int n = 0; n < 2000 && pid > 0; n++)
		if (write(pair[0], &byte, 1) != 1 || read(pair[0], &byte, 1) != 1)
			break;
	close(pair[0]);
	if (pid <= 0)
		return;
	kill(pid, SIGKILL); /* a child of another thread may hold the pair open */
	waitpid(pid, NULL, 0);
}

static void signal_itself(struct thread *t)
{
	for (int n = 0; n < 1000; n++)
		syscall(SYS_tgkill, getpid(), gettid(), SIGURG);
}

/* Files whose reading walks tables of the kernel. */
static void read_proc(struct thread *t)
{
	static const char *const files[] = {"/proc/stat",    "/proc/self/smaps",
					    "/proc/net/tcp", "/proc/meminfo",
					    "/proc/vmstat",  "/proc/interrupts"};

	for (size_t n = 0; n < sizeof(files) / sizeof(files[0]); n++) {
		char text[4096];
		int fd = open(files[n], O_RDONLY);

		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
}

/* membarrier(2): a global barrier waits until all CPUs have passed a quiescent state. */
static void ask_for_barriers(struct thread *t)
{
	syscall(SYS_membarrier, 1, 0, 0);
}

static void syncs(struct thread *t)
{
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY);

	syscall(SYS_syncfs, fd);
	close(fd);
}

static const struct {
	const char *kind;
	void (*step)(struct thread *t);
} kinds[] = {
	{"cpu", spin},
	{"fork", fork_and_reap},
	{"bomb", bomb},
	{"exec", exec_itself},
	{"crash", crash_a_child},
	{"memory", touch_memory},
	{"tlb", shoot_down},
	{"tmpfs", fill_scratch},
	{"page-cache", drop_pages},
	{"fd", open_and_close},
	{"inode", make_inodes},
	{"dentry", miss_names},
	{"rename", rename_on},
	{"timers", run_timers},
	{"logs", write_lines},
	{"ipc", tell_the_host},
	{"ipc-connect", connect_the_host},
	{"sockets", connect_itself},
	{"datagrams", send_datagrams},
	{"switches", play_ping_pong},
	{"signals", signal_itself},
	{"proc", read_proc},
	{"barriers", ask_for_barriers},
	{"sync", syncs},
};

static void *run(void *arg)
{
	struct thread *t = arg;

	for (; now_ns() < t->until_ns; t->did++)
		t->step(t);
	if (t->fd >= 0)
		close(t->fd);
	return NULL;
}

static long attack(void (*step)(struct thread *t), long ms, int count)
{
	struct thread threads[THREADS_MAX];
	long did = 0;
	int made = 0;

	for (; made < count && made < THREADS_MAX; made++) {
		threads[made] = (struct thread){.number = made,
						.fd = -1,
						.until_ns = now_ns() + ms * 1000000LL,
						.step = step};
		if (pthread_create(&threads[made].id, NULL, run, &threads[made]) != 0)
			break;
	}
	while (made > 0) {
		pthread_join(threads[--made].id, NULL);
		did += threads[made].did;
	}
	return did;
}

void on_attack(struct call *c)
{
	char kind[32];

	call_text(c, "what", kind, sizeof(kind));
	signal(SIGURG, SIG_IGN);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		call_printf(c, 200, "{\"did\": %ld}\n",
			    attack(kinds[i].step, call_number(c, "ms", 1000),
				   (int)call_number(c, "threads", 4)));
		return;
	}
	call_printf(c, 404, "{}\n");
}

static void *die_later(void *arg)
{
	struct timespec t = {(long)arg / 1000, (long)arg % 1000 * 1000000};

	nanosleep(&t, NULL);
	_exit(3);
}

void on_dying(struct call *c)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, die_later, (void *)call_number(c, "ms", 300));

	call_printf(c, r == 0 ? 200 : 500, "{}\n");
}

/* The CPU's own work, not its time: the work of others on caches makes it longer. */
void on_steps(struct call *c)
{
	volatile unsigned long sum = 0;
	long n = call_number(c, "n", 0);

	for (long i = 0; i < n; i++)
		sum = sum + (unsigned long)i;
	call_printf(c, 200, "{\"sum\": %lu}\n", sum);
}

void on_sharing(struct call *c)
{
	long fds = call_number(c, "fds", 4000), n = call_number(c, "n", 250), made = 0;
	int first = open("/proc/self/exe", O_RDONLY);

	while (fds-- > 0 && dup(first) >= 0)
		;
	for (; made < n; made++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0)
			for (;;)
				pause();
	}
	call_printf(c, 200, "{\"made\": %ld}\n", made);
}
