// SPDX-License-Identifier: Apache-2.0
/* Limits, disk, programs and libraries. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/doctor.h"
#include "runtime/cli/text_out.h"

#define NOFILE_WANTED  65536
#define NOFILE_LEAST   4096
#define FDS_INSTANCE   16 /* descriptors that one instance costs ebbd and a gateway at most */
#define MEMLOCK_WANTED (64UL << 20)
#define FSYNCS         5
#define FSYNC_SLOW_US  20000

void probe_nofile(struct host *host, struct finding *f)
{
	const char *mend = "LimitNOFILE=524288 in the unit, or limits.conf(5)";
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		finding_bad(f, FINDING_FAIL, mend, "getrlimit: %s", strerror(errno));
	else if (limit.rlim_max < NOFILE_WANTED)
		finding_bad(f, limit.rlim_max < NOFILE_LEAST ? FINDING_FAIL : FINDING_WARN, mend,
			    "hard limit %" PRIu64 ": about %" PRIu64 " instances",
			    (uint64_t)limit.rlim_max, (uint64_t)limit.rlim_max / FDS_INSTANCE);
	else
		finding_ok(f, "hard limit %" PRIu64, (uint64_t)limit.rlim_max);
}

void probe_memlock(struct host *host, struct finding *f)
{
	struct rlimit limit;
	char text[32];

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		finding_bad(f, FINDING_WARN, "LimitMEMLOCK=infinity", "getrlimit: %s",
			    strerror(errno));
	else if (limit.rlim_max == RLIM_INFINITY)
		finding_ok(f, "unlimited");
	else if (limit.rlim_max >= MEMLOCK_WANTED || host->root)
		finding_ok(f, "%s%s", text_bytes(text, sizeof(text), limit.rlim_max),
			   host->root ? "; rings are made as root, which may exceed it" : "");
	else
		finding_bad(f, FINDING_WARN, "LimitMEMLOCK=infinity in the unit",
			    "%s: for a large ring of io_uring that is little",
			    text_bytes(text, sizeof(text), limit.rlim_max));
}

void probe_ports(struct host *host, struct finding *f)
{
	char text[32];
	ssize_t n = fd_read_file_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", text,
				    sizeof(text));

	if (n <= 0)
		finding_bad(f, FINDING_WARN, "a kernel with CONFIG_INET", "no IPv4 settings");
	else
		finding_ok(f, "ebbd opens listeners as root; others may from port %ld on",
			   strtol(text, NULL, 10));
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median of a few synced writes, in a file without a name. 0 or -errno. */
static int measure_fsync(const char *dir, uint64_t *out_us)
{
	SCOPED_FD fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t spans_us[FSYNCS];
	static const char page[4096];

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < FSYNCS; i++) {
		uint64_t start_ns = clock_mono_ns();
		int r = fd_write_all(fd, page, sizeof(page));

		if (r == 0 && fsync(fd) < 0)
			r = -errno;
		if (r < 0)
			return r;
		spans_us[i] = (clock_mono_ns() - start_ns) / NS_PER_US;
	}
	qsort(spans_us, FSYNCS, sizeof(spans_us[0]), compare_u64);
	*out_us = spans_us[FSYNCS / 2];
	return 0;
}

void probe_fsync(struct host *host, struct finding *f)
{
	static const char *const dirs[] = {"/var/lib/ebb", "/var/lib", "/var/tmp"};
	const char *dir = NULL;
	char text[32];
	uint64_t us = 0;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(dirs) && !dir; i++)
		dir = access(dirs[i], W_OK) == 0 ? dirs[i] : NULL;
	r = dir ? measure_fsync(dir, &us) : -EACCES;
	if (r < 0)
		finding_bad(f, FINDING_WARN, "run as root on the disk that will hold the ledger",
			    "fsync was not measured: %s", strerror(-r));
	else if (us > FSYNC_SLOW_US)
		finding_bad(f, FINDING_WARN, "put the ledger on a faster disk",
			    "%s for one fsync in %s", text_us(text, sizeof(text), us), dir);
	else
		finding_ok(f, "%s for one fsync in %s", text_us(text, sizeof(text), us), dir);
}

static bool on_path(const char *name)
{
	const char *path = getenv("PATH");
	char copy[4096], file[4200], *save;

	snprintf(copy, sizeof(copy), "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	for (char *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		snprintf(file, sizeof(file), "%s/%s", dir, name);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

void probe_tools(struct host *host, struct finding *f)
{
	static const char *const names[] = {"tar", "mkfs.erofs"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (on_path(names[i]))
			continue;
		finding_bad(f, FINDING_WARN, i ? "apt install erofs-utils" : "apt install tar",
			    "no %s on the path", names[i]);
		return;
	}
	finding_ok(f, "tar, mkfs.erofs");
}

/* The real name of a library, "libseccomp.so.2.5.4" for "libseccomp.so.2"; NULL if it cannot be
 * loaded. */
static const char *library_version(const char *soname, char *buf, size_t size)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);
	struct link_map *map = NULL;
	char real[PATH_MAX];
	const char *base;

	if (!library)
		return NULL;
	if (dlinfo(library, RTLD_DI_LINKMAP, &map) < 0 || !realpath(map->l_name, real))
		snprintf(real, sizeof(real), "%s", soname);
	base = strrchr(real, '/');
	snprintf(buf, size, "%.60s", base ? base + 1 : real);
	dlclose(library);
	return buf;
}

void probe_libraries(struct host *host, struct finding *f)
{
	static const struct {
		const char *soname, *package;
	} libraries[] = {
		{"libseccomp.so.2", "libseccomp2"},   {"libcap.so.2", "libcap2"},
		{"libarchive.so.13", "libarchive13"}, {"libcrypto.so.3", "libssl3"},
		{"libyajl.so.2", "libyajl2"},
	};
	char found[200], mend[64], name[64];
	size_t used;

	used = (size_t)snprintf(found, sizeof(found), "glibc %s", gnu_get_libc_version());
	for (size_t i = 0; i < ARRAY_LEN(libraries); i++) {
		if (!library_version(libraries[i].soname, name, sizeof(name))) {
			snprintf(mend, sizeof(mend), "apt install %s", libraries[i].package);
			finding_bad(f, FINDING_FAIL, mend, "%s cannot be loaded",
				    libraries[i].soname);
			return;
		}
		if (used < sizeof(found))
			used += (size_t)snprintf(found + used, sizeof(found) - used, ", %s", name);
	}
	finding_ok(f, "%s", found);
}
