// SPDX-License-Identifier: Apache-2.0
/*
 * Shows the limits of an instance where run-times look for them: in plain files below
 * /sys/fs/cgroup, with the names and texts of cgroup v2 and, for older libraries, of v1. The files
 * are no cgroup file system: nothing can be changed, frozen or watched through them. Each instance
 * has files of its own. Node (libuv), and every run-time that opens the files without looking into
 * mountinfo, takes its limits from them; for other run-times there are variables
 * (runtime/api/exec_limits.c).
 *
 * /proc/meminfo is covered by a plain file too, which shows the limit as the memory of the host.
 * Its numbers never change: all memory is shown as free. No file shows how much memory is used.
 *
 * PID 1 makes the files while arming, and writes the few that depend on the service at the claim.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "sandbox/inside.h"

#define PERIOD_US      100000u /* as cgroups/limits.c writes it */
#define NO_LIMIT_OF_V1 UINT64_C(9223372036854771712)

static const char *const directories[] = {"memory", "cpu"};

static const struct {
	const char *name, *text;
} fixed[] = {
	{"cgroup.controllers", "cpu memory pids\n"},
	{"memory.high", "max\n"},
	{"memory.swap.max", "0\n"},
	{"cpu/cpu.cfs_period_us", "100000\n"},
};

static int as_memory(const struct claim_head *h, char *text, size_t size)
{
	if (h->memory_bytes == 0)
		return text_format(text, size, "max\n");
	return text_format(text, size, "%" PRIu64 "\n", h->memory_bytes);
}

static int as_memory_v1(const struct claim_head *h, char *text, size_t size)
{
	return text_format(text, size, "%" PRIu64 "\n",
			   h->memory_bytes ? h->memory_bytes : NO_LIMIT_OF_V1);
}

static uint64_t quota_us(const struct claim_head *h)
{
	return (uint64_t)h->cpu_milli * PERIOD_US / 1000;
}

static int as_cpu(const struct claim_head *h, char *text, size_t size)
{
	if (h->cpu_milli == 0)
		return text_format(text, size, "max %u\n", PERIOD_US);
	return text_format(text, size, "%" PRIu64 " %u\n", quota_us(h), PERIOD_US);
}

static int as_cpu_v1(const struct claim_head *h, char *text, size_t size)
{
	if (h->cpu_milli == 0)
		return text_format(text, size, "-1\n");
	return text_format(text, size, "%" PRIu64 "\n", quota_us(h));
}

static int as_pids(const struct claim_head *h, char *text, size_t size)
{
	if (h->pids_max == 0)
		return text_format(text, size, "max\n");
	return text_format(text, size, "%" PRIu32 "\n", h->pids_max);
}

static const struct {
	const char *name;
	int (*format)(const struct claim_head *head, char *text, size_t size);
} claimed[] = {
	{"memory.max", as_memory}, {"memory/memory.limit_in_bytes", as_memory_v1},
	{"cpu.max", as_cpu},       {"cpu/cpu.cfs_quota_us", as_cpu_v1},
	{"pids.max", as_pids},
};

static int put(int dir_fd, const char *name, int flags, const char *text)
{
	SCOPED_FD fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags, 0644);

	return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

int shown_make(struct inside *in)
{
	int r = 0;

	in->limits_fd = open("own/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->limits_fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(directories); i++)
		if (mkdirat(in->limits_fd, directories[i], 0755) < 0)
			return -errno;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(fixed); i++)
		r = put(in->limits_fd, fixed[i].name, O_CREAT | O_EXCL, fixed[i].text);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(claimed); i++)
		r = put(in->limits_fd, claimed[i].name, O_CREAT | O_EXCL, "");
	return r;
}

/* ---- /proc/meminfo ---- */

/* The lines that programs look for, in kB, as in proc_meminfo(5). ALL stands for the limit, NONE
 * for 0. */
enum amount { NONE, ALL };
static const struct {
	const char *name;
	enum amount amount;
} meminfo[] = {
	{"MemTotal", ALL},      {"MemFree", ALL},     {"MemAvailable", ALL}, {"Buffers", NONE},
	{"Cached", NONE},       {"SwapCached", NONE}, {"Active", NONE},      {"Inactive", NONE},
	{"SwapTotal", NONE},    {"SwapFree", NONE},   {"Dirty", NONE},       {"Writeback", NONE},
	{"AnonPages", NONE},    {"Mapped", NONE},     {"Shmem", NONE},       {"Slab", NONE},
	{"SReclaimable", NONE}, {"SUnreclaim", NONE}, {"CommitLimit", ALL},  {"Committed_AS", NONE},
};

int shown_make_facts(struct inside *in)
{
	in->meminfo_fd = open("own/facts/meminfo",
			      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	return in->meminfo_fd < 0 ? -errno : 0;
}

static int fill_meminfo(struct inside *in)
{
	uint64_t bytes = in->claim->head.memory_bytes;
	uint64_t kb = (bytes ? bytes : in->shared->host_bytes) / 1024;
	char text[1536];
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_LEN(meminfo); i++) {
		int n = snprintf(text + used, sizeof(text) - used, "%s:%*" PRIu64 " kB\n",
				 meminfo[i].name, 23 - (int)strlen(meminfo[i].name),
				 meminfo[i].amount == ALL ? kb : 0);

		if (n < 0 || used + (size_t)n >= sizeof(text))
			return -EOVERFLOW;
		used += (size_t)n;
	}
	return fd_write_all(in->meminfo_fd, text, used);
}

int shown_fill(struct inside *in)
{
	int r = fill_meminfo(in);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(claimed); i++) {
		char text[64];

		r = claimed[i].format(&in->claim->head, text, sizeof(text));
		if (r == 0)
			r = put(in->limits_fd, claimed[i].name, 0, text);
	}
	/* The function's process shares the descriptor table until it leaves the table, so these
	 * are closed before that. */
	fd_close(&in->limits_fd);
	fd_close(&in->meminfo_fd);
	return r;
}
