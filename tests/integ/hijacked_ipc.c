// SPDX-License-Identifier: Apache-2.0
/*
 * An ebb-ipc in an attacker's hands. ebbd starts this program in the place of ebb-ipc: it tries to
 * cut, forge and flood the host's log through the descriptors that it inherits, then makes a system
 * call that the filter of ebb-ipc forbids.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/filter.h"

#define FLOOD_LINES 40000

FILTER_EMBED(policy, "runtime/ipc/seccomp.policy");

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

static void try_to_cut(int fd)
{
	char line[96];
	struct stat st;
	int cut = ftruncate(fd, 0) == 0, moved = lseek(fd, 0, SEEK_SET) == 0;
	int over = pwrite(fd, "over", 4, 0) > 0;

	snprintf(line, sizeof(line),
		 "level=info event=attempt fd=%d cut=%d moved=%d over=%d pipe=%d\n", fd, cut, moved,
		 over, fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode));
	say(line);
}

int main(void)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
	char err[256];

	for (int fd = 0; fd < 3; fd++)
		try_to_cut(fd);
	say("ts=2020-01-01T00:00:00.000000Z level=info prog=ebbd event=forged_whole\n");
	say("level=info event=forged_keys ts=2020-01-01T00:00:00.000000Z prog=ebbd\n");
	say("level=info \x1b[2J\r\x01"
	    "event=forged_bytes\n");
	say("level=fatal event=forged_level\n");
	for (int n = 0; n < 3000; n++)
		say("a line that does not end, ");
	say("\nlevel=info event=attempts_over\n");
	for (int n = 0; n < FLOOD_LINES; n++)
		say("level=error event=flood "
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
	(void)poll(&room, 1, -1); /* else the last words would be lost as well */
	if (filter_apply(policy_start, (size_t)(policy_end - policy_start), err, sizeof(err)) < 0)
		return 1;
	(void)socket(AF_INET, SOCK_STREAM, 0);
	return 2;
}
