// SPDX-License-Identifier: Apache-2.0
#include "runtime/wire/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define X(us) us,
static const uint64_t bounds_us[] = {STATS_BOUNDS(X) UINT64_MAX};
#undef X

int stats_create(int *out_fd)
{
	SCOPED_FD fd = memfd_create("ebb-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)sizeof(struct stats)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	*out_fd = keep_fd(&fd);
	return 0;
}

int stats_open(int fd, int writable, struct stats **out)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) < 0 || (size_t)st.st_size != sizeof(struct stats))
		return -EPROTO;
	at = mmap(NULL, sizeof(struct stats), PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
		  fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*out = at;
	return 0;
}

void stats_close(struct stats *s)
{
	if (s)
		munmap(s, sizeof(*s));
}

/* There is one writer, so no locked instruction is needed: a reader must only never see half a
 * number. */
void stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

void stats_observe(_Atomic uint64_t buckets[STATS_BUCKETS], uint64_t us)
{
	uint32_t i = 0;

	while (us > bounds_us[i])
		i++;
	stats_add(&buckets[i], 1);
}

void stats_name(struct service_stats *s, const char name[SERVICE_NAME_SIZE])
{
	if (memcmp(s->name, name, SERVICE_NAME_SIZE) == 0)
		return;
	memset(s->name, 0, SERVICE_NAME_SIZE); /* readers find no service meanwhile */
	for (uint32_t i = 0; i < SERVICE_COUNTER_COUNT; i++)
		atomic_store_explicit(&s->counters[i], 0, memory_order_relaxed);
	for (uint32_t i = 0; i < STATS_BUCKETS; i++) {
		atomic_store_explicit(&s->duration[i], 0, memory_order_relaxed);
		atomic_store_explicit(&s->queue[i], 0, memory_order_relaxed);
	}
	memcpy(s->name, name, SERVICE_NAME_SIZE);
}

uint64_t stats_bound_us(uint32_t bucket)
{
	must(bucket < STATS_BUCKETS);
	return bounds_us[bucket];
}
