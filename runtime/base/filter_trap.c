// SPDX-License-Identifier: Apache-2.0
/* The last words of a process that made a call its filter forbids. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/filter.h"

#define NO_SUCH_CALL 0x3fff /* no policy allows it */

/* The Makefile makes these out of the header of the kernel. */
extern const char *const filter_call_names[];
extern const unsigned long filter_call_count;

const char *filter_call_name(long number)
{
	if (number < 0 || (unsigned long)number >= filter_call_count || !filter_call_names[number])
		return "?";
	return filter_call_names[number];
}

long filter_said(const char *words)
{
	const char *at = strstr(words, FILTER_SAYS);
	long number = 0;

	if (!at)
		return -1;
	for (at += strlen(FILTER_SAYS); *at >= '0' && *at <= '9' && number < NO_SUCH_CALL; at++)
		number = number * 10 + (*at - '0');
	return number;
}

static size_t put_text(char *at, const char *text)
{
	size_t n = strlen(text);

	memcpy(at, text, n);
	return n;
}

static size_t put_number(char *at, unsigned int number)
{
	char digits[12];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + number % 10);
	} while ((number /= 10) > 0);
	for (size_t i = 0; i < n; i++)
		at[i] = digits[n - 1 - i];
	return n;
}

/* Calls nothing but write(2), because the forbidden call may have come out of malloc. SIGSYS is
 * blocked meanwhile, so the kernel ends the process at the second forbidden call, with SIGSYS as
 * the cause. */
static void on_forbidden(int signal_number, siginfo_t *info, void *context)
{
	char line[128];
	size_t n = put_text(line, FILTER_SAYS);

	n += put_number(line + n, (unsigned int)info->si_syscall);
	n += put_text(line + n, " name=");
	n += put_text(line + n, filter_call_name(info->si_syscall));
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, n);
	(void)syscall(NO_SUCH_CALL);
	_exit(128 + SIGSYS);
}

int filter_say_forbidden(void)
{
	struct sigaction act = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};

	sigfillset(&act.sa_mask);
	return sigaction(SIGSYS, &act, NULL) < 0 ? -errno : 0;
}
