// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/builds.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/text_out.h"

#define AT_ONCE_MAX  16
#define LAST_LINES   20
#define OUTPUT_BYTES (1024 * 1024) /* of the end of what a build said */

struct running {
	pid_t pid; /* 0: free */
	size_t number;
	int output_fd; /* a file in memory */
	uint64_t begun_ns;
};

struct run {
	const struct builds *b;
	struct running now[AT_ONCE_MAX];
	size_t at_once, next, running, ended, wanted;
	int result;
};

static size_t cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < 1 ? 1 : (size_t)n;
}

/* In the child: its output goes into the file; signals end it as they would end a command. */
static void become_build(const struct run *run, const struct running *one, pid_t parent)
{
	int r;

	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ||
	    dup2(one->output_fd, STDOUT_FILENO) < 0 || dup2(one->output_fd, STDERR_FILENO) < 0)
		_exit(CLI_FAILED);
	r = run->b->build(run->b->context, one->number);
	(void)fflush(NULL);
	_exit(r);
}

static void fail(struct run *run, int result)
{
	if (run->result == CLI_DONE)
		run->result = result;
}

static void begin(struct run *run, struct running *one, size_t number)
{
	pid_t self = getpid();

	*one = (struct running){.number = number, .begun_ns = clock_mono_ns()};
	one->output_fd = memfd_create("build", MFD_CLOEXEC);
	(void)fflush(NULL);
	one->pid = one->output_fd < 0 ? -1 : fork();
	if (one->pid == 0)
		become_build(run, one, self);
	if (one->pid > 0) {
		run->running++;
		return;
	}
	say_error(strerror(errno), NULL, "cannot build %s", run->b->name(run->b->context, number));
	fd_close(&one->output_fd);
	one->pid = 0;
	fail(run, CLI_FAILED);
}

/* Where the last lines begin. */
static const char *last_lines(const char *text, size_t size)
{
	size_t at = size, lines = 0;

	while (at > 0 && (text[at - 1] != '\n' || at == size || ++lines < LAST_LINES))
		at--;
	return text + at;
}

static void show(const struct running *one, bool all)
{
	off_t size = lseek(one->output_fd, 0, SEEK_END);
	size_t n = size > OUTPUT_BYTES ? OUTPUT_BYTES : (size_t)size;
	SCOPED_MEM char *text = malloc(n + 1);
	const char *from = text;
	ssize_t got = text && size > 0 ? pread(one->output_fd, text, n, size - (off_t)n) : 0;

	if (got <= 0)
		return;
	if (!all)
		from = last_lines(text, (size_t)got);
	for (const char *end = text + got; from < end;) {
		const char *stop = memchr(from, '\n', (size_t)(end - from));
		size_t length = (size_t)((stop ? stop : end) - from);

		fputs("  ", stderr);
		text_out_escaped(stderr, from, length, true);
		fputc('\n', stderr);
		from += length + 1;
	}
}

static void end(struct run *run, struct running *one, int status)
{
	const char *name = run->b->name(run->b->context, one->number);
	uint64_t ms = (clock_mono_ns() - one->begun_ns) / NS_PER_MS;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : CLI_FAILED;

	run->running--;
	run->ended++;
	if (code == CLI_DONE)
		say_note("ebb: built %s in %u.%u s (%zu of %zu)", name, (unsigned int)(ms / 1000),
			 (unsigned int)(ms % 1000 / 100), run->ended, run->wanted);
	else
		say_note("ebb: %s is not built; its last lines:", name);
	show(one, code == CLI_DONE);
	if (code != CLI_DONE)
		fail(run, code);
	fd_close(&one->output_fd);
	one->pid = 0;
}

static void wait_for_one(struct run *run)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	must(pid > 0 || errno == EINTR);

	for (size_t i = 0; pid > 0 && i < run->at_once; i++)
		if (run->now[i].pid == pid) {
			end(run, &run->now[i], status);
			return;
		}
}

static void begin_next(struct run *run)
{
	for (size_t i = 0; i < run->at_once && run->result == CLI_DONE; i++) {
		while (run->next < run->b->count && run->b->skipped[run->next])
			run->next++;
		if (run->next < run->b->count && run->now[i].pid == 0)
			begin(run, &run->now[i], run->next++);
	}
}

/* Ctrl-C reaches every process of the terminal; this one waits for the others, which remove their
 * files. */
static void run_all(struct run *run)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, keep_int, keep_term;

	sigaction(SIGINT, &ignore, &keep_int);
	sigaction(SIGTERM, &ignore, &keep_term);
	begin_next(run);
	while (run->running > 0) {
		wait_for_one(run);
		begin_next(run);
	}
	sigaction(SIGINT, &keep_int, NULL);
	sigaction(SIGTERM, &keep_term, NULL);
}

int builds_run(const struct builds *b)
{
	struct run run = {.b = b, .at_once = b->at_once ? b->at_once : cpus(), .result = CLI_DONE};
	size_t last = 0;

	for (size_t i = 0; i < b->count; i++)
		if (!b->skipped[i]) {
			run.wanted++;
			last = i;
		}
	if (run.wanted == 1)
		return b->build(b->context, last);
	if (run.at_once > AT_ONCE_MAX)
		run.at_once = AT_ONCE_MAX;
	if (run.wanted > 0)
		run_all(&run);
	return run.result;
}
