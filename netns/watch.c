// SPDX-License-Identifier: Apache-2.0
/* Maps, the program and its attachment, by bpf(2); the ring of events as the kernel lays it out
 * (Documentation/bpf/ringbuf.rst). */
#include "netns/watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "netns/watch_program.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

/* A database that ends closes thousands of connections at once. */
#define RING_BYTES (1u << 20)
#define SAID_MAX   16384 /* sockets; those that were silent for longest are forgotten */
#define FLAGS_SIZE (NET_WATCH_RANGES * sizeof(uint64_t))

struct net_watch {
	struct watch_maps maps;
	int program_fd, link_fd;
	size_t page;
	_Atomic uint64_t *flags; /* one for each range */
	_Atomic uint64_t *taken; /* how far this side has read */
	char *ring;              /* a page with the kernel's place, then the bytes, twice */
};

static int bpf(int command, union bpf_attr *attr, size_t size)
{
	long r = syscall(SYS_bpf, command, attr, size);

	return r < 0 ? -errno : (int)r;
}

static int make_map(uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = key;
	attr.value_size = value;
	attr.max_entries = entries;
	attr.map_flags = flags;
	return bpf(BPF_MAP_CREATE, &attr, sizeof(attr));
}

static int load_program(const struct watch_program *p)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_SKB;
	attr.expected_attach_type = BPF_CGROUP_INET_INGRESS;
	attr.insns = (uint64_t)(uintptr_t)p->insns;
	attr.insn_cnt = p->count;
	attr.license = (uint64_t)(uintptr_t) "Apache-2.0";
	return bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int attach(int program_fd, int cgroup_fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program_fd;
	attr.link_create.target_fd = (uint32_t)cgroup_fd;
	attr.link_create.attach_type = BPF_CGROUP_INET_INGRESS;
	return bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
}

static int map_pages(struct net_watch *w)
{
	void *flags =
		mmap(NULL, FLAGS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, w->maps.flags_fd, 0);
	void *taken = mmap(NULL, w->page, PROT_READ | PROT_WRITE, MAP_SHARED, w->maps.ring_fd, 0);
	void *ring = mmap(NULL, w->page + 2 * RING_BYTES, PROT_READ, MAP_SHARED, w->maps.ring_fd,
			  (off_t)w->page);
	int r = flags == MAP_FAILED || taken == MAP_FAILED || ring == MAP_FAILED ? -errno : 0;

	w->flags = flags == MAP_FAILED ? NULL : flags;
	w->taken = taken == MAP_FAILED ? NULL : taken;
	w->ring = ring == MAP_FAILED ? NULL : ring;
	return r;
}

static int make_maps(struct net_watch *w)
{
	int r;

	w->maps.flags_fd = make_map(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(uint64_t),
				    NET_WATCH_RANGES, BPF_F_MMAPABLE);
	if (w->maps.flags_fd < 0)
		return w->maps.flags_fd;
	r = w->maps.said_fd =
		make_map(BPF_MAP_TYPE_LRU_HASH, sizeof(uint64_t), sizeof(uint64_t), SAID_MAX, 0);
	if (r < 0)
		return r;
	r = w->maps.ring_fd = make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, RING_BYTES, 0);
	return r < 0 ? r : map_pages(w);
}

int net_watch_open(int cgroup_fd, const uint8_t pool_v4[4], const uint8_t pool_v6[16],
		   struct net_watch **out, const char **step)
{
	struct net_watch *w = calloc(1, sizeof(*w));
	struct watch_program p;
	int r;

	*step = "make the maps of the watch";
	if (!w)
		return -ENOMEM;
	w->page = (size_t)getpagesize();
	w->maps.flags_fd = w->maps.ring_fd = w->maps.said_fd = w->program_fd = w->link_fd = -1;
	r = make_maps(w);
	if (r >= 0) {
		*step = "load the program of the watch (BPF)";
		watch_program_write(&p, &w->maps, pool_v4, pool_v6);
		r = w->program_fd = load_program(&p);
	}
	if (r >= 0) {
		*step = "attach the program of the watch to the cgroup";
		r = w->link_fd = attach(w->program_fd, cgroup_fd);
	}
	if (r < 0) {
		net_watch_close(w);
		return r;
	}
	*out = w;
	return 0;
}

void net_watch_close(struct net_watch *w)
{
	if (!w)
		return;
	if (w->flags)
		(void)munmap((void *)w->flags, FLAGS_SIZE);
	if (w->taken)
		(void)munmap((void *)w->taken, w->page);
	if (w->ring)
		(void)munmap(w->ring, w->page + 2 * RING_BYTES);
	fd_close(&w->link_fd);
	fd_close(&w->program_fd);
	fd_close(&w->maps.said_fd);
	fd_close(&w->maps.ring_fd);
	fd_close(&w->maps.flags_fd);
	free(w);
}

int net_watch_fd(const struct net_watch *w)
{
	return w->maps.ring_fd;
}

void net_watch_begin(struct net_watch *w, uint32_t range)
{
	must(range < NET_WATCH_RANGES);
	atomic_store(&w->flags[range], 1 + NET_WATCH_ENDS);
}

void net_watch_end(struct net_watch *w, uint32_t range)
{
	must(range < NET_WATCH_RANGES);
	atomic_store(&w->flags[range], 0);
}

bool net_watch_goes_on(const struct net_watch *w, uint32_t range)
{
	must(range < NET_WATCH_RANGES);
	return atomic_load(&w->flags[range]) != 0;
}

int net_watch_said(const struct net_watch *w, uint64_t cookie, uint64_t *out)
{
	union bpf_attr attr;
	uint64_t said;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)w->maps.said_fd;
	attr.key = (uint64_t)(uintptr_t)&cookie;
	attr.value = (uint64_t)(uintptr_t)&said;
	r = bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr));
	if (r == 0)
		*out = said;
	return r;
}

/* The kernel writes the bytes of a record before it clears the busy bit of its length, and its own
 * place before that. */
bool net_watch_read(struct net_watch *w, void (*on_event)(void *self, const struct net_event *e),
		    void *self)
{
	const _Atomic uint64_t *made = (const void *)w->ring;
	uint64_t at = atomic_load_explicit(w->taken, memory_order_relaxed), end;
	bool all = true;

	while (at < (end = atomic_load_explicit(made, memory_order_acquire))) {
		const char *record = w->ring + w->page + (at & (RING_BYTES - 1));
		uint32_t head = atomic_load_explicit((const _Atomic uint32_t *)(const void *)record,
						     memory_order_acquire);
		uint32_t size = head & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		struct net_event e;

		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		all &= end - at <= RING_BYTES - 2 * (sizeof(e) + BPF_RINGBUF_HDR_SZ);
		if (!(head & BPF_RINGBUF_DISCARD_BIT) && size == sizeof(e)) {
			memcpy(&e, record + BPF_RINGBUF_HDR_SZ, sizeof(e));
			if (e.range < NET_WATCH_RANGES)
				on_event(self, &e);
		}
		at += (size + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
		atomic_store_explicit(w->taken, at, memory_order_release);
	}
	return all;
}
