// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/securebits.h>

#include "runtime/base/mem.h"
#include "sandbox/inside.h"

/* No capability is ever gained again by execve(2), not even by uid 0 (capabilities(7)). */
int drop_bounding_set(void)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE |
				   SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_KEEP_CAPS_LOCKED;

	if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 || cap_reset_ambient() < 0)
		return -errno;
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

int drop_ids(struct inside *in)
{
	const struct wire_exec *e = &in->claim->exec;
	gid_t groups[ARRAY_LEN(e->groups)];

	if (e->group_count > ARRAY_LEN(groups))
		return -EINVAL;
	for (size_t i = 0; i < e->group_count; i++)
		groups[i] = e->groups[i];
	if (setgroups(e->group_count, groups) < 0 || setresgid(e->gid, e->gid, e->gid) < 0 ||
	    setresuid(e->uid, e->uid, e->uid) < 0)
		return -errno;
	return 0;
}

int drop_caps(struct inside *in)
{
	return cap_set_proc(in->no_caps) < 0 ? -errno : 0;
}

int drop_new_privs(struct inside *in)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
