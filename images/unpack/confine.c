// SPDX-License-Identifier: Apache-2.0
#include "images/unpack/unpack.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/filter.h"
#include "runtime/base/mem.h"

FILTER_EMBED(unpack_policy, "images/unpack/seccomp.policy");

static int drop_caps(uint32_t kept)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = kept, .permitted = kept}};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static int limit_self(const struct wire_unpack_job *job)
{
	const struct {
		int what;
		rlim_t value;
	} limits[] = {
		{RLIMIT_FSIZE, job->bytes_max},
		{RLIMIT_NOFILE, 8192}, /* removing a tree holds a descriptor for each level */
		{RLIMIT_NPROC, 0},
		{RLIMIT_MEMLOCK, 0},
#ifndef __SANITIZE_ADDRESS__
		{RLIMIT_AS, (rlim_t)1 << 30}, /* enough for a zstd window and the set of paths */
#endif
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit l;

		if (getrlimit((__rlimit_resource_t)limits[i].what, &l) < 0)
			return -errno;
		if (l.rlim_max > limits[i].value)
			l.rlim_max = limits[i].value;
		l.rlim_cur = l.rlim_max;
		if (setrlimit((__rlimit_resource_t)limits[i].what, &l) < 0)
			return -errno;
	}
	return 0;
}

int confine_calls(char *err, size_t err_size)
{
	return filter_apply(unpack_policy_start, (size_t)(unpack_policy_end - unpack_policy_start),
			    err, err_size);
}

int confine_self(struct unpack *u, const char *root, uint32_t caps)
{
	int r;

	if (chroot(root) < 0 || chdir("/") < 0)
		return unpack_fail(u, -errno, "cannot enter %s: %s", root, strerror(errno));
	r = limit_self(u->job);
	if (r < 0)
		return unpack_fail(u, r, "cannot limit the unpacker: %s", strerror(-r));
	r = drop_caps(caps);
	if (r < 0)
		return unpack_fail(u, r, "cannot drop capabilities: %s", strerror(-r));
	return confine_calls(u->err, sizeof(u->err));
}
