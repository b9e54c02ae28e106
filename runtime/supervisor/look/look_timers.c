// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a process has a timer that ends in a signal: /proc/PID/timers, proc_pid_timers(5).
 *
 * The kernel says of a POSIX timer that it exists and of what clock it is, not when it is due, nor
 * whether it is armed. Of alarm(2) and setitimer(2) it says nothing at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/fd.h"
#include "runtime/supervisor/look/look.h"

/* False for CPU clocks, of the process itself and (negative) of others: their time stands still
 * while the process does. */
static bool runs_on(long clock_id)
{
	return clock_id >= 0 && clock_id != CLOCK_PROCESS_CPUTIME_ID &&
	       clock_id != CLOCK_THREAD_CPUTIME_ID;
}

/* An interpreter or a profiler ticks with such timers while its program works (Ruby up to 3.2 has
 * one from its start). No thread waits for such a tick. */
static bool only_ticks(long number)
{
	return number == SIGVTALRM || number == SIGPROF;
}

/* The number behind a key; -1 if the entry has none. */
static long number_of(const char *entry, const char *key)
{
	const char *at = strstr(entry, key);

	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static bool waits(const char *entry)
{
	return runs_on(number_of(entry, "ClockID: ")) &&
	       !only_ticks(number_of(entry, "signal: ")) && !strstr(entry, "notify: none");
}

/* "ID: 0", "signal: 14/00007ffc", "notify: signal/pid.812", "ClockID: 1", one a line. */
static bool any_waits(char *text)
{
	char *next;

	for (char *entry = strstr(text, "ID: "); entry; entry = next) {
		next = strstr(entry, "\nID: ");
		if (next)
			*next++ = '\0';
		if (waits(entry))
			return true;
	}
	return false;
}

bool look_signal_timer(pid_t pid)
{
	char path[48], text[4096];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/timers", pid);
	n = fd_read_file_at(AT_FDCWD, path, text, sizeof(text));
	return (n > 0 || n == -EFBIG) && any_waits(text); /* of so many, the newest */
}
