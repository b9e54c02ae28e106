// SPDX-License-Identifier: Apache-2.0
#include "timer.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL
#define FIRED_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double fired_ms[FIRED_MAX];
static int fired;

static long long now_of_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (long long)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static long long now_ns(void)
{
	return now_of_ns(CLOCK_MONOTONIC);
}

static struct timespec timespec_of(long long ns)
{
	return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static struct timespec left(long long due_ns)
{
	long long ns = due_ns - now_ns();

	return timespec_of(ns > 0 ? ns : 0);
}

static int left_ms(long long due_ns)
{
	long long ns = due_ns - now_ns();

	return ns > 0 ? (int)((ns + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

static void by_nanosleep(long long due_ns)
{
	struct timespec t = left(due_ns);

	nanosleep(&t, NULL);
}

static void by_absolute(long long due_ns)
{
	struct timespec t = timespec_of(due_ns);

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* A point of a clock that may be set, or goes on while the host is suspended. */
static void by_date(long long due_ns)
{
	struct timespec t = timespec_of(due_ns);

	clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL);
}

static void by_boottime(long long due_ns)
{
	struct timespec t = timespec_of(due_ns);

	clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL);
}

static void by_poll(long long due_ns)
{
	poll(NULL, 0, left_ms(due_ns));
}

static void by_ppoll(long long due_ns)
{
	struct timespec t = left(due_ns);

	ppoll(NULL, 0, &t, NULL);
}

static void by_select(long long due_ns)
{
	struct timespec t = left(due_ns);
	struct timeval v = {.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};

	select(0, NULL, NULL, NULL, &v);
}

static void by_epoll(long long due_ns)
{
	struct epoll_event e;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	epoll_wait(fd, &e, 1, left_ms(due_ns));
	close(fd);
}

static int timerfd_until(long long due_ns)
{
	struct itimerspec at = {.it_value = timespec_of(due_ns)};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
	return fd;
}

static void by_timerfd(long long due_ns)
{
	int fd = timerfd_until(due_ns);
	uint64_t times;

	if (read(fd, &times, sizeof(times)) < 0)
		perror("probe: timerfd");
	close(fd);
}

static void by_timerfd_epoll(long long due_ns)
{
	int fd = timerfd_until(due_ns), all = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = {.events = EPOLLIN};

	epoll_ctl(all, EPOLL_CTL_ADD, fd, &e);
	epoll_wait(all, &e, 1, -1);
	close(all);
	close(fd);
}

static void by_futex(long long due_ns)
{
	struct timespec t = left(due_ns);
	uint32_t word = 0;

	syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0);
}

static void by_semaphore(long long due_ns)
{
	struct timespec t = timespec_of(due_ns);
	sem_t never;

	sem_init(&never, 0, 0);
	sem_clockwait(&never, CLOCK_MONOTONIC, &t);
}

static void by_signal(long long due_ns)
{
	struct timespec t = left(due_ns);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigtimedwait(&set, NULL, &t);
}

/* timer_create(2): the kernel tells nobody else when it is due. */
static void by_posix(long long due_ns)
{
	struct sigevent how = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
	struct itimerspec at = {.it_value = timespec_of(due_ns)};
	sigset_t set;
	timer_t timer;

	how._sigev_un._tid = gettid();
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	timer_create(CLOCK_MONOTONIC, &how, &timer);
	timer_settime(timer, TIMER_ABSTIME, &at, NULL);
	sigwaitinfo(&set, NULL);
	timer_delete(timer);
}

static const struct kind {
	const char *name;
	void (*wait)(long long due_ns);
	enum { OF_MONOTONIC, OF_DATE, OF_BOOTTIME } clock; /* of due_ns */
} kinds[] = {
	{"date", by_date, OF_DATE},  {"boottime", by_boottime, OF_BOOTTIME},
	{"nanosleep", by_nanosleep}, {"absolute", by_absolute},
	{"poll", by_poll},           {"ppoll", by_ppoll},
	{"select", by_select},       {"epoll", by_epoll},
	{"timerfd", by_timerfd},     {"timerfd_epoll", by_timerfd_epoll},
	{"futex", by_futex},         {"semaphore", by_semaphore},
	{"signal", by_signal},       {"posix", by_posix},
};

static long long now_for_ns(const struct kind *kind)
{
	static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};

	return now_of_ns(clocks[kind->clock]);
}

struct timer {
	const struct kind *kind;
	long long due_ns;
};

/* Waits again when it was woken before (EINTR), as every event loop does. */
static void *run(void *arg)
{
	struct timer t = *(struct timer *)arg;

	free(arg);
	while (now_for_ns(t.kind) < t.due_ns)
		t.kind->wait(t.due_ns);
	pthread_mutex_lock(&lock);
	if (fired < FIRED_MAX)
		fired_ms[fired++] = (double)(now_for_ns(t.kind) - t.due_ns) / NS_PER_MS;
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* ---- timers that come again and again ---- */

static void tick_poll(int fd, long ms)
{
	poll(NULL, 0, (int)ms);
}

static void tick_nanosleep(int fd, long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * NS_PER_MS}, NULL);
}

static void tick_epoll(int fd, long ms)
{
	struct epoll_event event;

	epoll_wait(fd, &event, 1, (int)ms);
}

static void tick_select(int fd, long ms)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	select(fd + 1, &set, NULL, NULL, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* As httpd does: no descriptors, a sleep. */
static void tick_stretch(int fd, long ms)
{
	select(0, NULL, NULL, NULL, &(struct timeval){ms / 1000, ms % 1000 * 1000});
}

/* As redis does: how large am I? */
static void tick_reads(int fd, long ms)
{
	char text[512];
	int stat = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	if (stat < 0 || read(stat, text, sizeof(text)) < 0)
		pause();
	close(stat);
	tick_epoll(fd, ms);
}

static void tick_futex(int fd, long ms)
{
	static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (until.tv_nsec + ms * NS_PER_MS) / (1000 * NS_PER_MS);
	until.tv_nsec = (until.tv_nsec + ms * NS_PER_MS) % (1000 * NS_PER_MS);
	pthread_mutex_lock(&own);
	pthread_cond_timedwait(&never, &own, &until);
	pthread_mutex_unlock(&own);
}

static void tick_timerfd(int fd, long ms)
{
	static _Thread_local int timer = -1;
	uint64_t count;

	if (timer < 0) {
		struct timespec each = {ms / 1000, ms % 1000 * NS_PER_MS};

		timer = timerfd_create(CLOCK_MONOTONIC, 0);
		timerfd_settime(timer, 0, &(struct itimerspec){each, each}, NULL);
	}
	if (read(timer, &count, sizeof(count)) < 0)
		pause();
}

static const struct ticking {
	const char *kind;
	void (*wait)(int fd, long ms); /* fd: an epoll set in which nothing ever happens */
} tickings[] = {
	{"poll", tick_poll},       {"nanosleep", tick_nanosleep}, {"epoll", tick_epoll},
	{"select", tick_select},   {"futex", tick_futex},         {"timerfd", tick_timerfd},
	{"stretch", tick_stretch}, {"reads", tick_reads},
};

struct ticker {
	const struct ticking *how;
	long ms, says, then_ms, times; /* then_ms: of `times` further waits */
};

static void *tick(void *arg)
{
	struct ticker t = *(struct ticker *)arg;
	int fd = epoll_create1(0);

	free(arg);
	for (;;) {
		t.how->wait(fd, t.ms);
		if (t.says)
			printf("tick\n");
		if (t.then_ms) {
			for (long n = 0; n < t.times; n++)
				t.how->wait(fd, t.then_ms);
			printf("the rest is over\n");
			return NULL;
		}
	}
	return NULL;
}

void on_ticks(struct call *c)
{
	struct ticker *t = calloc(1, sizeof(*t));
	char kind[16];
	pthread_t thread;

	call_text(c, "kind", kind, sizeof(kind));
	t->how = &tickings[0];
	for (size_t i = 0; i < sizeof(tickings) / sizeof(tickings[0]); i++)
		if (strcmp(tickings[i].kind, kind) == 0)
			t->how = &tickings[i];
	t->ms = call_number(c, "ms", 500);
	t->says = call_number(c, "says", 0);
	t->then_ms = call_number(c, "then_ms", 0);
	t->times = call_number(c, "times", 1);
	if (pthread_create(&thread, NULL, tick, t) == 0)
		pthread_detach(thread);
	call_printf(c, 200, "{}\n");
}

static int start(const struct kind *kind, long ms)
{
	struct timer *t = malloc(sizeof(*t));
	pthread_t thread;

	if (!t)
		return -1;
	*t = (struct timer){.kind = kind, .due_ns = now_for_ns(kind) + ms * NS_PER_MS};
	if (pthread_create(&thread, NULL, run, t) == 0)
		return pthread_detach(thread);
	free(t);
	return -1;
}

void on_timer(struct call *c)
{
	char name[32];

	call_text(c, "kind", name, sizeof(name));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) == 0 &&
		    start(&kinds[i], call_number(c, "ms", 1000)) == 0) {
			call_printf(c, 200, "{}\n");
			return;
		}
	}
	call_printf(c, 404, "{}\n");
}

void on_fired(struct call *c)
{
	char text[FIRED_MAX * 32] = "";

	pthread_mutex_lock(&lock);
	for (int i = 0; i < fired; i++)
		sprintf(text + strlen(text), "%s%.3f", i ? ", " : "", fired_ms[i]);
	fired = 0;
	pthread_mutex_unlock(&lock);
	call_printf(c, 200, "[%s]\n", text);
}
