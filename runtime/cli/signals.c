// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

int signals_hold(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
