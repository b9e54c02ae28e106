// SPDX-License-Identifier: Apache-2.0
#include "hoard.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024

static char block[64 * KIB];

static long one_inotify(long n)
{
	return inotify_init1(IN_NONBLOCK);
}

/* One watch on each of many directories. */
static long one_inotify_watch(long n)
{
	static int fd = -1;
	char path[64];

	if (fd < 0)
		fd = inotify_init1(IN_NONBLOCK);
	snprintf(path, sizeof(path), "/tmp/watched-%d-%ld", getpid(), n);
	if (mkdir(path, 0700) < 0)
		return -1;
	return inotify_add_watch(fd, path, IN_ALL_EVENTS);
}

/* Processes that all have the same 3,900 descriptors, and wait as a server does. */
static long one_of_a_crowd(long n)
{
	pid_t parent = getpid(), child;

	for (int i = 0; n == 0 && i < 3900; i++)
		if (eventfd(0, 0) < 0)
			return -1;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			poll(&(struct pollfd){.fd = 3}, 1, 3600 * 1000);
		_exit(0);
	}
	return child;
}

static long one_timer(long n)
{
	struct sigevent e = {.sigev_notify = SIGEV_NONE};
	int id;

	return syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id);
}

/* Queues a signal for a child that blocks all signals. In this program, which has threads, a thread
 * that does not block it would take it. */
static long one_signal(long n)
{
	static pid_t sink, parent;

	if (n == 0) {
		sigset_t all, old;

		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, &old);
		parent = getpid();
		sink = fork();
		if (sink == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			/* The parent may have ended before that. */
			while (getppid() == parent)
				pause();
			_exit(0);
		}
		sigprocmask(SIG_SETMASK, &old, NULL);
		if (sink < 0)
			return -1;
	}
	return sigqueue(sink, SIGRTMIN + 5, (union sigval){.sival_int = 0});
}

static long one_mqueue(long n)
{
	struct mq_attr attr = {.mq_maxmsg = 10, .mq_msgsize = 8192};
	char name[64];

	snprintf(name, sizeof(name), "/hoard-%d-%ld", getpid(), n);
	if (mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr) < 0)
		return -1;
	return mq_unlink(name);
}

static long one_pty(long n)
{
	return posix_openpt(O_RDWR | O_NOCTTY);
}

static long one_file(long n)
{
	return open("/dev/null", O_RDONLY);
}

static long one_eventfd(long n)
{
	return eventfd(0, 0);
}

static long one_timerfd(long n)
{
	return timerfd_create(CLOCK_MONOTONIC, 0);
}

static long one_epoll_watch(long n)
{
	static int epoll_fd = -1;
	struct epoll_event e = {.events = EPOLLIN};
	int fd;

	if (epoll_fd < 0)
		epoll_fd = epoll_create1(0);
	fd = eventfd(0, 0);
	return fd < 0 ? -1 : epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static long one_sem(long n)
{
	return semget(IPC_PRIVATE, 100, 0600);
}

static long one_msg(long n)
{
	struct {
		long type;
		char text[8192 - sizeof(long)];
	} m = {.type = 1};
	int id = msgget(IPC_PRIVATE, 0600);

	return id < 0 ? -1 : msgsnd(id, &m, sizeof(m.text), IPC_NOWAIT);
}

static long one_shm(long n)
{
	int id = shmget(IPC_PRIVATE, 1 << 20, 0600);
	char *at = id < 0 ? (char *)-1 : shmat(id, NULL, 0);

	if (at == (char *)-1)
		return -1;
	shmctl(id, IPC_RMID, NULL); /* where it is tried on the host, it goes with this process */
	memset(at, 1, 1 << 20);
	return 0;
}

static long one_locked_mib(long n)
{
	char *at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? -1 : mlock(at, 1 << 20);
}

static long one_user_namespace(long n)
{
	return syscall(SYS_unshare, 0x10000000);
}

static long one_key(long n)
{
	char name[32];

	snprintf(name, sizeof(name), "hoard-%ld", n);
	return syscall(SYS_add_key, "user", name, "x", 1, -3);
}

static long one_fanotify(long n)
{
	return syscall(SYS_fanotify_init, 0x200, 0);
}

/* A map of type ARRAY: bpf(2), BPF_MAP_CREATE. */
static long one_bpf_map(long n)
{
	const unsigned int attributes[32] = {2, 4, 8, 1};

	return syscall(SYS_bpf, 0, attributes, sizeof(attributes));
}

/* Pages of its ring are locked memory of the user: PERF_TYPE_SOFTWARE. */
static long one_perf_event(long n)
{
	const unsigned int attributes[32] = {1, sizeof(attributes)};

	return syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0);
}

static long one_aio(long n)
{
	unsigned long context = 0;

	return syscall(SYS_io_setup, 1000, &context);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static long one_thread(long n)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * KIB);
	r = pthread_create(&thread, &attr, wait_for_ever, NULL);
	errno = r;
	return r ? -1 : 0;
}

static long one_directory(long n)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/dir-%d-%ld", getpid(), n);
	return mkdir(path, 0700);
}

/* --- bytes in buffers: each returns KiB ----------------------------------------------------- */
static long fill(int fd, size_t size)
{
	long bytes = 0;
	ssize_t n;

	while ((n = send(fd, block, size, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		bytes += n;
	return bytes / KIB;
}

static int loopback(int type, struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);
	int fd = socket(AF_INET, type, 0), big = 1 << 24;

	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof(*at)) < 0 ||
	    getsockname(fd, (struct sockaddr *)at, &size) < 0)
		return -1;
	return fd;
}

static long fill_tcp(long n)
{
	static struct sockaddr_in at;
	static int listen_fd = -1;
	int fd, other, big = 1 << 24;

	if (listen_fd < 0) {
		listen_fd = loopback(SOCK_STREAM, &at);
		if (listen_fd < 0 || listen(listen_fd, 16) < 0)
			return -1;
	}
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	other = accept(listen_fd, NULL, NULL);
	return other < 0 ? -1 : fill(fd, sizeof(block));
}

/* Bytes that wait in a socket. A datagram without room is dropped without a word. */
static uint32_t waiting(int fd)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof(memory);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size) < 0
		       ? 0
		       : memory[SK_MEMINFO_RMEM_ALLOC];
}

static long fill_udp(long n)
{
	struct sockaddr_in at;
	int fd = loopback(SOCK_DGRAM, &at), sender = socket(AF_INET, SOCK_DGRAM, 0);
	uint32_t before, now = 0;

	if (fd < 0 || sender < 0 || connect(sender, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	do {
		before = now;
		for (int sent = 0; sent < 4; sent++)
			(void)send(sender, block, 32 * KIB, MSG_DONTWAIT);
		now = waiting(fd);
	} while (now > before);
	close(sender);
	errno = ENOBUFS;
	return now < KIB ? -1L : (long)(now / KIB);
}

static long fill_unix(long n)
{
	int pair[2], big = 1 << 24;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	return fill(pair[0], 32 * KIB);
}

/* Answers nobody reads. */
static long fill_netlink(long n)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg body;
	} ask = {.head = {.nlmsg_len = sizeof(ask),
			  .nlmsg_type = RTM_GETLINK,
			  .nlmsg_flags = NLM_F_REQUEST},
		 .body = {.ifi_index = 1}};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), big = 1 << 24;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	for (int i = 0; i < 400; i++)
		if (send(fd, &ask, sizeof(ask), MSG_DONTWAIT) < 0)
			break;
	return 400;
}

static long fill_pipe(long n)
{
	int fds[2], size;

	if (pipe2(fds, O_NONBLOCK) < 0)
		return -1;
	size = fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	if (size < 0)
		size = fcntl(fds[1], F_GETPIPE_SZ);
	for (long sent = 0; sent < size; sent += (long)sizeof(block))
		if (write(fds[1], block, sizeof(block)) < 0)
			break;
	return size / KIB;
}

static const struct {
	const char *kind;
	long (*one)(long n); /* a number >= 0, or -1 and errno */
	int counts;          /* one() returns how many; else it makes 1 */
} kinds[] = {
	{"inotify", one_inotify, 0},
	{"inotify-watch", one_inotify_watch, 0},
	{"timer", one_timer, 0},
	{"signal", one_signal, 0},
	{"mqueue", one_mqueue, 0},
	{"pty", one_pty, 0},
	{"file", one_file, 0},
	{"eventfd", one_eventfd, 0},
	{"timerfd", one_timerfd, 0},
	{"epoll-watch", one_epoll_watch, 0},
	{"sem", one_sem, 0},
	{"msg", one_msg, 0},
	{"shm", one_shm, 0},
	{"mlock", one_locked_mib, 0},
	{"userns", one_user_namespace, 0},
	{"key", one_key, 0},
	{"fanotify", one_fanotify, 0},
	{"aio", one_aio, 0},
	{"bpf", one_bpf_map, 0},
	{"perf", one_perf_event, 0},
	{"thread", one_thread, 0},
	{"crowd", one_of_a_crowd, 0},
	{"directory", one_directory, 0},
	{"tcp", fill_tcp, 1},
	{"udp", fill_udp, 1},
	{"unix", fill_unix, 1},
	{"netlink", fill_netlink, 1},
	{"pipe", fill_pipe, 1},
};

static long hoard(const char *kind, long most, int *err)
{
	long made = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, kind) != 0)
			continue;
		*err = 0;
		for (long n = 0; made < most; n++) {
			long r = kinds[i].one(n);

			if (r < 0) {
				*err = errno;
				break;
			}
			made += kinds[i].counts ? r : 1;
		}
		return made;
	}
	return -1;
}

static int watcher = -1;

static long heard(void)
{
	char text[4096];
	ssize_t n;
	long count = 0;

	while ((n = read(watcher, text, sizeof(text))) > 0)
		for (char *at = text; at < text + n; count++)
			at += sizeof(struct inotify_event) +
			      ((struct inotify_event *)(void *)at)->len;
	return count;
}

static long take_lock(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	return fd < 0 ? -1 : flock(fd, LOCK_EX | LOCK_NB);
}

static long take_record_lock(const char *path)
{
	struct flock whole = {.l_type = F_RDLCK};
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	return fd < 0 ? -1 : fcntl(fd, F_OFD_SETLK, &whole);
}

static long take_lease(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	return fd < 0 ? -1 : fcntl(fd, F_SETLEASE, F_RDLCK);
}

/* A directory is made, renamed, given a file and removed. */
static long rename_directory(const char *path)
{
	char from[1100], to[1100], file[1110];
	int fd;

	snprintf(from, sizeof(from), "%s/from", path);
	snprintf(to, sizeof(to), "%s/to", path);
	snprintf(file, sizeof(file), "%s/file", to);
	if (mkdir(from, 0700) < 0 || rename(from, to) < 0)
		return -1;
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	if (fd < 0 || close(fd) < 0 || unlink(file) < 0)
		return -1;
	return rmdir(to);
}

/* Removes a directory of the image and makes it anew. */
static long remake_directory(const char *path)
{
	if (rmdir(path) < 0 || mkdir(path, 0755) < 0)
		return -1;
	return rename_directory(path);
}

static long reach(const char *what, const char *path)
{
	if (watcher < 0)
		watcher = inotify_init1(IN_NONBLOCK);
	if (strcmp(what, "heard") == 0)
		return heard();
	if (strcmp(what, "watch") == 0)
		return inotify_add_watch(watcher, path, IN_ALL_EVENTS);
	if (strcmp(what, "lock") == 0)
		return take_lock(path);
	if (strcmp(what, "record") == 0)
		return take_record_lock(path);
	if (strcmp(what, "lease") == 0)
		return take_lease(path);
	if (strcmp(what, "rename") == 0)
		return rename_directory(path);
	if (strcmp(what, "remake") == 0)
		return remake_directory(path);
	errno = EINVAL;
	return -1;
}

static const char *word(long r)
{
	return r < 0 ? strerrorname_np(errno) : "OK";
}

static void become(unsigned int uid, unsigned int gid, const char *path, char *out, size_t size)
{
	const char *owned = word(mkdir(path, 0700) < 0 ? -1 : chown(path, uid, gid));
	const char *groups = word(setgroups(1, &gid)), *group = word(setgid(gid));
	const char *user = word(setuid(uid));

	snprintf(out, size, "chown=%s setgroups=%s setgid=%s setuid=%s root=%s\n", owned, groups,
		 group, user, word(setuid(0)));
}

int hoard_here(char **argv)
{
	int err = 0;
	long made = hoard(argv[2], atol(argv[3]), &err);

	printf("{\"made\": %ld, \"errno\": \"%s\"}\n", made, err ? strerrorname_np(err) : "");
	return made < 0;
}

void on_hoard(struct call *c)
{
	char kind[32];
	int err = 0;
	long made;

	call_text(c, "what", kind, sizeof(kind));
	made = hoard(kind, call_number(c, "n", 1), &err);
	call_printf(c, made < 0 ? 404 : 200, "{\"made\": %ld, \"errno\": \"%s\"}\n", made,
		    err ? strerrorname_np(err) : "");
}

void on_reach(struct call *c)
{
	char what[32], path[1024];
	long r;

	call_text(c, "what", what, sizeof(what));
	call_text(c, "path", path, sizeof(path));
	r = reach(what, path);
	call_printf(c, 200, "{\"got\": %ld, \"errno\": \"%s\"}\n", r,
		    r < 0 ? strerrorname_np(errno) : "");
}

void on_become(struct call *c)
{
	char path[1024], text[256];

	call_text(c, "path", path, sizeof(path));
	become((unsigned int)call_number(c, "uid", 1000), (unsigned int)call_number(c, "gid", 1000),
	       path, text, sizeof(text));
	call_printf(c, 200, "%s", text);
}
