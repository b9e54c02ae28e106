// SPDX-License-Identifier: Apache-2.0
/*
 * The test function in C: an ordinary static server on $PORT, or on the socket that it inherits.
 * Its environment: PROBE_THREADS=N starts N idle threads. PROBE_MODE is exit (exits with 7 at
 * once), kill (kills itself at once), mute (never listens), stubborn (ignores SIGTERM), slow
 * (listens after 300 ms), ignore or close (see inherits()). PROBE_ALLOC_MB=N touches N MiB before
 * it listens. PROBE_BACKLOG=N is the length of its accept queue. PROBE_WORKERS=N threads serve one
 * connection each to its end. PROBE_HEARS: see hears.h. Behind an answer to one of
 * PROBE_CLOSES_BEHIND=METHODS it closes the connection unannounced.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attack.h"
#include "attempts.h"
#include "ask.h"
#include "calls.h"
#include "dial.h"
#include "hears.h"
#include "hoard.h"
#include "http.h"
#include "ipc.h"
#include "noted.h"
#include "timer.h"
#include "tree.h"

extern char **environ;
static _Atomic long served;
static int arg_count;
static char **args;

static void wait_ms(long ms)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
}

static long cpu_us(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static long thread_cpu_us(void)
{
	return cpu_us(RUSAGE_THREAD);
}

static long process_cpu_us(void)
{
	return cpu_us(RUSAGE_SELF);
}

static void on_root(struct call *c)
{
	const char *id = getenv("EBB_INSTANCE");

	call_printf(c, 200, "{\"hello\": \"probe\", \"instance\": \"%s\", \"served\": %ld}\n",
		    id ? id : "", (long)served);
}

/* only=ID: the instance with this id sleeps; any other answers at once. */
static void on_sleep(struct call *c)
{
	long ms = call_number(c, "ms", 1000);
	const char *id = getenv("EBB_INSTANCE");
	char only[64];

	call_text(c, "only", only, sizeof(only));
	if (only[0] && id && strcmp(only, id) != 0)
		ms = 0;

	wait_ms(ms);
	call_printf(c, 200, "{\"slept_ms\": %ld}\n", ms);
}

/* Some CPU, then waiting as for a model or a database. */
static void on_work(struct call *c)
{
	long us = call_number(c, "us", 5000), before = thread_cpu_us();
	volatile unsigned long work = 0;

	while (thread_cpu_us() - before < us) {
		for (int i = 0; i < 2000; i++)
			work = work + (unsigned long)i;
	}
	wait_ms(call_number(c, "ms", 1000));
	call_printf(c, 200, "{}\n");
}

/* A pool of one connection, as to a database: a new request waits for those before. */
static void on_pool(struct call *c)
{
	static pthread_mutex_t pool = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&pool);
	wait_ms(call_number(c, "ms", 20));
	pthread_mutex_unlock(&pool);
	call_printf(c, 200, "{}\n");
}

/* Takes `max` at once and gives the others back before it began with them. */
static void on_nack(struct call *c)
{
	static const char nack[] =
		"HTTP/1.1 503 Full\r\nx-ebb-nack: 1\r\ncontent-length: 0\r\n\r\n";
	static _Atomic long inside;

	if (++inside > call_number(c, "max", 1)) {
		inside--;
		if (write(c->fd, nack, sizeof(nack) - 1) < 0)
			c->close = true;
		return;
	}
	wait_ms(call_number(c, "ms", 500));
	inside--;
	call_printf(c, 200, "{}\n");
}

static void on_burn(struct call *c)
{
	long us = call_number(c, "us", call_number(c, "ms", 100) * 1000), before = thread_cpu_us();
	volatile unsigned long work = 0;

	while (thread_cpu_us() - before < us) {
		for (int i = 0; i < 2000; i++)
			work = work + (unsigned long)i;
	}
	call_printf(c, 200, "{\"cpu_us\": %ld, \"process_us\": %ld}\n", thread_cpu_us() - before,
		    process_cpu_us());
}

static void on_echo(struct call *c)
{
	bool chunked = c->chunked;
	long n;

	call_begin(c, 200, "application/octet-stream", chunked ? -1 : (int64_t)c->length);
	while ((n = call_read(c, c->buf, sizeof(c->buf))) > 0) {
		if (call_write(c, c->buf, (size_t)n, chunked) != 0)
			break;
	}
	if (n != 0)
		c->close = true;
	else if (chunked)
		call_end_chunks(c);
}

/* Takes a body in and says only how long it was. */
static void on_sink(struct call *c)
{
	unsigned long long total = 0;
	long n;

	while ((n = call_read(c, c->buf, sizeof(c->buf))) > 0)
		total += (unsigned long long)n;
	call_printf(c, 200, "{\"bytes\": %llu}\n", total);
}

/* bytes of a pattern that the reader can compute: byte i is (i * 31 + i / 251) & 255. */
static void on_size(struct call *c)
{
	long long bytes = call_number(c, "bytes", 0), at = 0;

	call_begin(c, 200, "application/octet-stream", bytes);
	while (at < bytes) {
		size_t n = bytes - at < (long long)sizeof(c->buf) ? (size_t)(bytes - at)
								  : sizeof(c->buf);

		for (size_t i = 0; i < n; i++, at++)
			c->buf[i] = (char)(at * 31 + at / 251);
		if (call_write(c, c->buf, n, false) != 0)
			return;
	}
}

static void on_stream(struct call *c)
{
	long count = call_number(c, "count", 5), ms = call_number(c, "ms", 100);
	char text[64];

	call_begin(c, 200, "text/plain", -1);
	for (long i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "part %ld\n", i);
		if (call_write(c, text, strlen(text), true) != 0)
			return;
		wait_ms(ms);
	}
	call_end_chunks(c);
}

static void on_file(struct call *c)
{
	char path[1024];
	size_t n;
	FILE *f;

	call_text(c, "path", path, sizeof(path));
	f = fopen(path, "re");
	if (!f) {
		call_printf(c, 404, "%s\n", strerrorname_np(errno));
		return;
	}
	n = fread(c->buf, 1, sizeof(c->buf), f);
	fclose(f);
	call_answer(c, 200, "text/plain", c->buf, n);
}

static void on_link(struct call *c)
{
	char path[1024], target[1024];
	ssize_t n;

	call_text(c, "path", path, sizeof(path));
	n = readlink(path, target, sizeof(target));
	if (n < 0)
		call_printf(c, 404, "%s\n", strerrorname_np(errno));
	else
		call_answer(c, 200, "text/plain", target, (size_t)n);
}

static void on_list(struct call *c)
{
	char path[1024], text[16384] = "";
	struct dirent *e;
	DIR *dir;

	call_text(c, "path", path, sizeof(path));
	dir = opendir(path);
	if (!dir) {
		call_printf(c, 404, "%s\n", strerrorname_np(errno));
		return;
	}
	while ((e = readdir(dir)) && strlen(text) + 300 < sizeof(text))
		snprintf(text + strlen(text), 300, "%s\n", e->d_name);
	closedir(dir);
	call_answer(c, 200, "text/plain", text, strlen(text));
}

static void on_stat(struct call *c)
{
	char path[1024];
	struct stat s;

	call_text(c, "path", path, sizeof(path));
	if (lstat(path, &s) != 0) {
		call_printf(c, 404, "%s\n", strerrorname_np(errno));
		return;
	}
	call_printf(c, 200,
		    "{\"mode\": %u, \"uid\": %u, \"gid\": %u, \"size\": %lld, \"major\": %u, "
		    "\"minor\": %u}\n",
		    s.st_mode, s.st_uid, s.st_gid, (long long)s.st_size, major(s.st_rdev),
		    minor(s.st_rdev));
}

static void on_try(struct call *c)
{
	char name[64], path[1024];
	int err;

	call_text(c, "call", name, sizeof(name));
	call_text(c, "path", path, sizeof(path));
	err = attempt(name, path);
	call_printf(c, err < 0 ? 404 : 200, "%s", err > 0 ? strerrorname_np(err) : "OK");
}

static void on_env(struct call *c)
{
	char text[16384] = "";

	for (char **e = environ; *e && strlen(text) + strlen(*e) + 2 < sizeof(text); e++)
		sprintf(text + strlen(text), "%s\n", *e);
	call_answer(c, 200, "text/plain", text, strlen(text));
}

static void on_process(struct call *c)
{
	char cwd[1024], host[256], text[4096] = "";

	for (int i = 0; i < arg_count && strlen(text) + strlen(args[i]) + 8 < sizeof(text); i++)
		sprintf(text + strlen(text), "%s\"%s\"", i ? ", " : "", args[i]);
	gethostname(host, sizeof(host));
	call_printf(c, 200,
		    "{\"pid\": %d, \"uid\": %u, \"gid\": %u, \"cwd\": \"%s\", \"host\": \"%s\", "
		    "\"args\": [%s]}\n",
		    getpid(), getuid(), getgid(), getcwd(cwd, sizeof(cwd)) ? cwd : "", host, text);
}

static void on_head(struct call *c)
{
	call_answer(c, 200, "text/plain", c->head, strlen(c->head));
}

static void on_status(struct call *c)
{
	call_printf(c, (int)call_number(c, "code", 200), "{}\n");
}

/* Every page, through a volatile pointer: else the compiler sees that nobody reads it. */
static volatile char *touch(size_t size)
{
	volatile char *memory = malloc(size);

	for (size_t at = 0; memory && at < size; at += 4096)
		memory[at] = 1;
	return memory;
}

static void on_alloc(struct call *c)
{
	size_t size = (size_t)call_number(c, "mb", 1) << 20;
	volatile char *memory = touch(size);

	call_printf(c, memory ? 200 : 507, "{\"mb\": %zu}\n", size >> 20);
	if (!call_number(c, "keep", 0))
		free((void *)memory);
}

static void *idle_thread(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static long start_threads(long count)
{
	pthread_attr_t attr;
	pthread_t thread;
	long made = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	while (made < count && pthread_create(&thread, &attr, idle_thread, NULL) == 0)
		made++;
	pthread_attr_destroy(&attr);
	return made;
}

static void on_threads(struct call *c)
{
	call_printf(c, 200, "{\"made\": %ld}\n", start_threads(call_number(c, "n", 1)));
}

/* Children that live until the instance ends. */
static void on_spawn(struct call *c)
{
	long n = call_number(c, "n", 1), made = 0;

	for (; made < n; made++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0) {
			for (;;)
				pause();
		}
	}
	call_printf(c, 200, "{\"made\": %ld}\n", made);
}

/* A child whose parent is gone: PID 1 has to reap it. */
static void on_orphan(struct call *c)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0)
			wait_ms(50);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	call_printf(c, 200, "{}\n");
}

static void on_exit_now(struct call *c)
{
	_exit((int)call_number(c, "code", 3));
}

static void on_crash(struct call *c)
{
	raise(SIGSEGV);
}

static void on_hang(struct call *c)
{
	for (;;)
		pause();
}

static void on_log(struct call *c)
{
	char text[1024];

	call_text(c, "text", text, sizeof(text));
	for (long n = call_number(c, "times", 1); n > 0; n--)
		for (const char *at = text; *at; at++)
			putchar(*at == '~' ? '\033' : *at); /* an escape, as nothing is decoded */
	printf("\n");
	call_printf(c, 200, "{}\n");
}

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Lines of so many bytes to stdout, 32 KiB at a time, for so long; with slow=1 a write for each. */
static void on_flood(struct call *c)
{
	static char block[32768];
	long line = call_number(c, "line", 0), slow = call_number(c, "slow", 0);
	long long until_ns = now_ns() + call_number(c, "ms", 1000) * 1000000LL, written = 0;
	size_t size = slow ? (size_t)line + 1 : sizeof(block);
	ssize_t n;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (long)(i % (size_t)(line + 1)) == line ? '\n' : 'x';
	while (now_ns() < until_ns && (n = write(STDOUT_FILENO, block, size)) > 0)
		written += n;
	call_printf(c, 200, "{\"written\": %lld}\n", written);
}

static void on_tick(struct call *c)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	call_printf(c, 200, "{\"monotonic_ms\": %lld}\n",
		    (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static const struct {
	const char *path;
	void (*run)(struct call *c);
} routes[] = {
	{"/", on_root},         {"/sleep", on_sleep},
	{"/burn", on_burn},     {"/echo", on_echo},
	{"/sink", on_sink},     {"/size", on_size},
	{"/stream", on_stream}, {"/file", on_file},
	{"/link", on_link},     {"/list", on_list},
	{"/stat", on_stat},     {"/try", on_try},
	{"/count", on_count},   {"/counts", on_counts},
	{"/env", on_env},       {"/process", on_process},
	{"/head", on_head},     {"/status", on_status},
	{"/alloc", on_alloc},   {"/threads", on_threads},
	{"/spawn", on_spawn},   {"/orphan", on_orphan},
	{"/exit", on_exit_now}, {"/crash", on_crash},
	{"/hang", on_hang},     {"/log", on_log},
	{"/tick", on_tick},     {"/work", on_work},
	{"/pool", on_pool},     {"/nack", on_nack},
	{"/ipc", on_ipc},       {"/background", on_background},
	{"/tagged", on_tagged}, {"/timer", on_timer},
	{"/fired", on_fired},   {"/ticks", on_ticks},
	{"/flood", on_flood},   {"/hoard", on_hoard},
	{"/reach", on_reach},   {"/become", on_become},
	{"/emit", on_emit},     {"/attack", on_attack},
	{"/dying", on_dying},   {"/sharing", on_sharing},
	{"/steps", on_steps},   {"/tree", on_tree},
	{"/ask", on_ask},       {"/dial", on_dial},
	{"/keep", on_keep},     {"/datagrams", on_datagrams},
	{"/heard", on_heard},   {"/call", on_calls},
	{"/note", on_note},     {"/noted", on_noted},
	{"/later", on_later},
};

/* A prefix route leaves its prefix in the path: the last component decides. */
static void on_call(struct call *c)
{
	const char *last = strrchr(c->path, '/');

	served++;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (last && strcmp(last, routes[i].path) == 0) {
			routes[i].run(c);
			return;
		}
	}
	call_printf(c, 404, "{\"error\": \"the probe has no %s\"}\n", c->path);
}

static void on_signal(int signal)
{
	char text[] = "probe: signal 00, exiting\n";

	text[14] = (char)('0' + signal / 10);
	text[15] = (char)('0' + signal % 10);
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(0);
}

static void start_mode(const char *mode)
{
	if (strcmp(mode, "exit") == 0) {
		fprintf(stderr, "probe: told to exit at once\n");
		exit(7);
	}
	if (strcmp(mode, "mute") == 0) {
		for (;;)
			pause();
	}
	if (strcmp(mode, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(mode, "slow") == 0)
		wait_ms(300);
	if (strcmp(mode, "stubborn") == 0)
		signal(SIGTERM, SIG_IGN);
}

/* Whether to serve on the inherited socket, sd_listen_fds(3). Mode "ignore" plays a program that
 * knows nothing of such sockets, "close" one that closes descriptors which it does not know. */
static int inherits(const char *mode)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");

	if (strcmp(mode, "close") == 0)
		close(3);
	return strcmp(mode, "ignore") != 0 && strcmp(mode, "close") != 0 && fds && pid &&
	       strcmp(fds, "1") == 0 && atoi(pid) == getpid();
}

int main(int argc, char **argv)
{
	const char *port = getenv("PORT"), *mode = getenv("PROBE_MODE");
	const char *threads = getenv("PROBE_THREADS"), *mb = getenv("PROBE_ALLOC_MB");

	arg_count = argc;
	args = argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	start_mode(mode ? mode : "");
	if (argc == 4 && strcmp(argv[1], "hoard") == 0)
		return hoard_here(argv);
	if (argc == 3 && strcmp(argv[1], "tree") == 0)
		return tree_print(argv[2]);
	if (mb)
		touch((size_t)atol(mb) << 20);
	if (threads)
		start_threads(atol(threads));
	hears_begin();
	if (inherits(mode ? mode : ""))
		http_serve_fd(3, on_call);
	http_serve(port ? atoi(port) : 8080, on_call);
}
