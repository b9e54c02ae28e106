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

/* What unpacking as the image's root takes; whiteouts (0:0) need no CAP_MKNOD since Linux 5.8. */
#define KEPT_CAPS (1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID)

static int drop_caps(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = KEPT_CAPS, .permitted = KEPT_CAPS},
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

static int limit_self(const struct wire_unpack_job *job)
{
	const struct {
		int what;
		rlim_t value;
	} limits[] = {
		{RLIMIT_FSIZE, job->bytes_max},
		{RLIMIT_NOFILE, 64},
		{RLIMIT_CORE, 0},
		{RLIMIT_NPROC, 0},
		{RLIMIT_MEMLOCK, 0},
#ifndef __SANITIZE_ADDRESS__
		{RLIMIT_AS, (rlim_t)1 << 30}, /* a zstd window and the whiteouts fit well */
#endif
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit l = {.rlim_cur = limits[i].value, .rlim_max = limits[i].value};

		if (setrlimit((__rlimit_resource_t)limits[i].what, &l) < 0)
			return -errno;
	}
	return 0;
}

int confine_self(struct unpack *u, int target_fd)
{
	int r;

	if (fchdir(target_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return unpack_fail(u, -errno, "cannot enter the target: %s", strerror(errno));
	r = limit_self(u->job);
	if (r < 0)
		return unpack_fail(u, r, "cannot limit the unpacker: %s", strerror(-r));
	r = drop_caps();
	if (r < 0)
		return unpack_fail(u, r, "cannot drop capabilities: %s", strerror(-r));
	return filter_apply(unpack_policy_start, (size_t)(unpack_policy_end - unpack_policy_start),
			    u->err, sizeof(u->err));
}
