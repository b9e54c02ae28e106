// SPDX-License-Identifier: Apache-2.0
/*
 * Which code of a program ran, and which ran under its filter. Linked into every program of
 * MODE=cov and into no other.
 *
 * The compiler (-fsanitize-coverage=trace-pc) calls a hook at the beginning of each basic block;
 * the hook marks the byte of a map that belongs to its caller's address. The map is shared memory
 * that is made before main, so marking needs no system call, which a filter could forbid. A reader
 * opens the map by /proc/PID/map_files (tests/cov/collect.py).
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAN          1
#define RAN_FILTERED 2

extern const char __executable_start[], etext[]; /* the linker's */

void cover_filtered(void);
void __sanitizer_cov_trace_pc(void);

static unsigned char *cover_map;
static size_t cover_size;
/* Of a thread, as filters are. */
static _Thread_local unsigned char cover_mark = RAN;

__attribute__((constructor(110))) static void open_map(void)
{
	size_t size = (size_t)(etext - __executable_start);
	int fd = memfd_create("ebb-cover", MFD_CLOEXEC);
	void *map = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED)
		return;
	cover_map = map;
	cover_size = size;
}

/* filter_apply calls this when its filter is loaded. */
void cover_filtered(void)
{
	cover_mark = RAN | RAN_FILTERED;
}

void __sanitizer_cov_trace_pc(void)
{
	size_t place = (size_t)((const char *)__builtin_return_address(0) - __executable_start);

	if (place < cover_size)
		cover_map[place] |= cover_mark;
}
