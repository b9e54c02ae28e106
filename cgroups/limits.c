// SPDX-License-Identifier: Apache-2.0
/*
 * Which file a limit goes to, in v2 and in v1: nothing else knows.
 *
 * CPU: 100 ms periods with a burst of one quota. Instances sleep between short pieces of work. With
 * 20 ms periods a quarter of a CPU would be 5 ms at a time, and almost every request would be
 * throttled in its middle; with 100 ms a request runs to its end. The burst that was saved while
 * idle (at most one more quota, cpu.max.burst) covers the second request in the same window. The
 * kernel refuses quotas below 1 ms, which would be 5 % of a CPU with 20 ms periods.
 *
 * Memory: no swap, because a frozen instance's pages would move there and its thaw would pay. In v2
 * the whole instance dies on OOM (memory.oom.group). memory.high stays unset: it slows an instance
 * down without telling anybody. The buffers of sockets are part of memory.max in v2. In v1 the
 * kernel counts those of TCP only, and only under a limit of their own
 * (Documentation/admin-guide/cgroup-v1/memory.rst, 2.7): a quarter of the memory on top, at least
 * 16 MiB, so that a service's share of the host stays near its setting.
 */
#include "cgroups/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define CPU_PERIOD_US    100000u
#define CPU_QUOTA_MIN_US 1000u
#define SOCKET_BYTES_MIN (16u << 20)

typedef int format_fn(const struct cgroup_limits *l, char *text, size_t size);

/* A format returns 1 when there is something to write, 0 when there is no such limit. */
static int as_memory(const struct cgroup_limits *l, char *text, size_t size)
{
	return text_format(text, size, "%" PRIu64, l->memory_bytes) ?: l->memory_bytes > 0;
}

static int as_zero(const struct cgroup_limits *l, char *text, size_t size)
{
	return text_format(text, size, "0") ?: l->memory_bytes > 0;
}

static int as_socket_memory(const struct cgroup_limits *l, char *text, size_t size)
{
	uint64_t bytes = l->memory_bytes / 4;

	if (bytes < SOCKET_BYTES_MIN)
		bytes = SOCKET_BYTES_MIN;
	return text_format(text, size, "%" PRIu64, bytes) ?: l->memory_bytes > 0;
}

static int as_one(const struct cgroup_limits *l, char *text, size_t size)
{
	return text_format(text, size, "1") ?: 1;
}

static uint64_t quota_us(const struct cgroup_limits *l)
{
	uint64_t us = (uint64_t)l->cpu_milli * CPU_PERIOD_US / 1000;

	return us < CPU_QUOTA_MIN_US ? CPU_QUOTA_MIN_US : us;
}

static int as_quota(const struct cgroup_limits *l, char *text, size_t size)
{
	return text_format(text, size, "%" PRIu64, quota_us(l)) ?: l->cpu_milli > 0;
}

static int as_period(const struct cgroup_limits *l, char *text, size_t size)
{
	return text_format(text, size, "%u", CPU_PERIOD_US) ?: l->cpu_milli > 0;
}

static int as_quota_period(const struct cgroup_limits *l, char *text, size_t size)
{
	return text_format(text, size, "%" PRIu64 " %u", quota_us(l), CPU_PERIOD_US)
		       ?: l->cpu_milli > 0;
}

static int as_pids(const struct cgroup_limits *l, char *text, size_t size)
{
	return text_format(text, size, "%" PRIu32, l->pids_max) ?: l->pids_max > 0;
}

struct knob {
	const char *file;
	format_fn *format;
	bool may_be_absent; /* an older kernel, or no swap: the limit itself still holds */
};

struct row {
	enum cgroup_controller controller;
	struct knob v2, v1;
};

/* Written in this order: memsw may not be below limit, and a quota needs its period. */
static const struct row rows[] = {
	{CGROUP_MEMORY, {"memory.max", as_memory}, {"memory.limit_in_bytes", as_memory}},
	{CGROUP_MEMORY,
	 {"memory.swap.max", as_zero, true},
	 {"memory.memsw.limit_in_bytes", as_memory, true}},
	{CGROUP_MEMORY, {"memory.oom.group", as_one}, {NULL}},
	{CGROUP_MEMORY, {NULL}, {"memory.kmem.tcp.limit_in_bytes", as_socket_memory, true}},
	{CGROUP_CPU, {NULL}, {"cpu.cfs_period_us", as_period}},
	{CGROUP_CPU, {"cpu.max", as_quota_period}, {"cpu.cfs_quota_us", as_quota}},
	{CGROUP_CPU, {"cpu.max.burst", as_quota, true}, {"cpu.cfs_burst_us", as_quota, true}},
	{CGROUP_PIDS, {"pids.max", as_pids}, {"pids.max", as_pids}},
};

static int write_knob(const struct knob *k, int tree_fd, const char *path,
		      const struct cgroup_limits *limits)
{
	char text[64], file[640];
	int r = k->format(limits, text, sizeof(text));

	if (r <= 0)
		return r;
	r = text_format(file, sizeof(file), "%s/%s", path, k->file);
	if (r == 0)
		r = fd_write_file_at(tree_fd, file, text);
	return r == -ENOENT && k->may_be_absent ? 0 : r;
}

int cgroup_go_behind(struct cgroup_tree *t, const struct cgroup *g, bool behind)
{
	char file[640];
	int r = text_format(file, sizeof(file), "%s/cpu.idle", g->path);

	return r < 0 ? r
		     : fd_write_file_at(t->at[t->home[CGROUP_CPU]].tree_fd, file,
					behind ? "1" : "0");
}

/* v2, v1: the greatest weight that each takes. */
static const struct {
	const char *file, *text;
} in_front[][3] = {
	{{"cpu.idle", "0"}, {"cpu.max", "max"}, {"cpu.weight", "10000"}},
	{{"cpu.idle", "0"}, {"cpu.cfs_quota_us", "-1"}, {"cpu.shares", "262144"}},
};

void cgroup_hurry(struct cgroup_tree *t, const struct cgroup *g)
{
	unsigned int home = t->home[CGROUP_CPU];
	char file[640];

	must(home < t->count);
	for (size_t i = 0; i < ARRAY_LEN(in_front[0]); i++)
		if (text_format(file, sizeof(file), "%s/%s", g->path, in_front[home > 0][i].file) ==
		    0)
			(void)fd_write_file_at(t->at[home].tree_fd, file,
					       in_front[home > 0][i].text);
}

int cgroup_limits_write(const struct cgroup_tree *t, const char *path,
			const struct cgroup_limits *limits)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned int home = t->home[rows[i].controller];
		const struct knob *k = home == 0 ? &rows[i].v2 : &rows[i].v1;
		int r;

		must(home < t->count && (k->file == NULL) == (k->format == NULL));
		r = k->file ? write_knob(k, t->at[home].tree_fd, path, limits) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}
