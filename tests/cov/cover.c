// SPDX-License-Identifier: Apache-2.0
/*
 * Which code ran, and which ran under a filter: for MODE=cov only, linked into every program there.
 * The compiler calls the hook at the begin of each basic block; it marks one byte of a map for the
 * place it was called from. The map is shared memory made before main, so that nothing of this
 * makes a system call under the filter; a reader opens it by /proc/PID/map_files
 * (tests/cov/collect.py).
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
static unsigned char cover_mark = RAN;

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
