// SPDX-License-Identifier: Apache-2.0
/* Serves the report of all attempts over HTTP; `escapes report` prints it. */
#include "escapes.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../functions/http.h"

static FILE *report;

/* Errors that only barriers give: seccomp, capabilities, read-only and masked trees. */
static bool is_refusal(int err)
{
	static const int refusals[] = {EPERM,  EACCES,       ENOSYS,         EROFS,
				       ENOENT, EAFNOSUPPORT, EPROTONOSUPPORT};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (err == refusals[i])
			return true;
	return false;
}

static void say(const char *family, const char *answer, bool refused, const char *what)
{
	fprintf(report, "%s %s %s %s\n", refused ? "refused" : "PASSED", family, answer, what);
}

void tried(const char *family, long result, const char *what, ...)
{
	const int err = errno;
	char text[256];
	va_list args;

	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	if (result >= 0)
		say(family, "ok", false, text);
	else
		say(family, strerrorname_np(err), is_refusal(err), text);
}

void tried_in_child(const char *family, long (*call)(uint64_t), uint64_t value, const char *what)
{
	pid_t pid;
	int status = 0;

	fflush(report);
	pid = fork();
	if (pid == 0)
		_exit(call(value) < 0 ? (errno & 0xff) | 0x80 : 0);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status)) {
		char name[16];

		snprintf(name, sizeof(name), "SIG%s", sigabbrev_np(WTERMSIG(status)));
		say(family, name, WTERMSIG(status) == SIGSYS, what);
		return;
	}
	errno = WEXITSTATUS(status) & 0x7f;
	tried(family, WEXITSTATUS(status) ? -1 : 0, "%s %lu", what, (unsigned long)value);
}

int victim(void)
{
	pid_t pid;

	fflush(report);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void try_all(FILE *out)
{
	report = out;
	signal(SIGHUP, SIG_IGN); /* of the terminal that try_requests gives up */
	try_mounts();
	try_namespaces();
	try_processes();
	try_host();
	try_machinery();
	try_sockets();
	try_devices();
	try_requests();
	try_paths();
	try_conventions();
	fflush(report);
}

/* In a child: changes that an attempt makes to its process are gone with it. */
static void on_call(struct call *c)
{
	char name[] = "/tmp/report-XXXXXX", buf[65536];
	int fd = mkstemp(name);
	ssize_t n;
	pid_t pid = fork();

	if (pid == 0) {
		FILE *out = fdopen(dup(fd), "w");

		try_all(out);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	lseek(fd, 0, SEEK_SET);
	call_begin(c, 200, "text/plain", -1);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		call_write(c, buf, (size_t)n, true);
	call_end_chunks(c);
	close(fd);
	unlink(name);
}

int main(int argc, char **argv)
{
	const char *port = getenv("PORT");

	if (argc > 1 && strcmp(argv[1], "report") == 0)
		try_all(stdout);
	else
		http_serve(port ? atoi(port) : 8080, on_call);
	return 0;
}
