// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a tick does something when it comes: proc_pid_io(5).
 *
 * The kernel counts the bytes of write(2) and its relatives, sockets included, but not those of
 * send(2). A read does nothing: a tick that only reads leaves nothing that anybody could miss, and
 * redis looks at its own size in each of its ticks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/look/look.h"

#define COUNTER_BYTES 8 /* eventfd(2), timerfd_create(2) */

void look_io_add(pid_t pid, struct look_io *sum)
{
	const struct {
		const char *key;
		uint64_t *to;
	} fields[] = {
		{"wchar: ", &sum->bytes},
		{"syscw: ", &sum->calls},
	};
	char path[48], text[512];

	snprintf(path, sizeof(path), "/proc/%d/io", pid);
	if (fd_read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *at = strstr(text, fields[i].key);

		if (at)
			*fields[i].to += strtoull(at + strlen(fields[i].key), NULL, 10);
	}
	sum->known = true;
}

/* Wake-ups move one byte or one counter a call; a call that found nothing moves none. */
static bool is_content(uint64_t bytes, uint64_t calls)
{
	return bytes > COUNTER_BYTES * calls || (bytes > calls && bytes % COUNTER_BYTES != 0);
}

bool look_io_moved(const struct look_io *before, const struct look_io *after)
{
	return before->known && after->known &&
	       is_content(after->bytes - before->bytes, after->calls - before->calls);
}
