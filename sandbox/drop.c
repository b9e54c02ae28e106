// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/securebits.h>

#include "runtime/base/mem.h"
#include "sandbox/inside.h"

static const cap_value_t kept[WIRE_CAPABILITY_COUNT] = {
#define X(name) [WIRE_CAPABILITY_##name] = CAP_##name,
	WIRE_CAPABILITIES(X)
#undef X
};

static bool is_kept(cap_value_t cap)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (kept[i] == cap)
			return true;
	return false;
}

/* Drops the capabilities that no function ever has. The others are dropped after the claim, which
 * names the user. */
int drop_bounding_set(void)
{
	if (cap_reset_ambient() < 0)
		return -errno;
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (!is_kept(cap) && cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

/* Narrows the bounding set and sets securebits. Without capabilities execve(2) never gives any
 * again, not even to uid 0. With some only uid 0 has them, and loses them when it becomes another
 * user (capabilities(7)). */
static int narrow(uint32_t capabilities)
{
	const unsigned long never_more =
		SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	const unsigned long none = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS_LOCKED;

	if (prctl(PR_SET_SECUREBITS, capabilities ? never_more : never_more | none, 0, 0, 0) < 0)
		return -errno;
	for (uint32_t i = 0; i < ARRAY_LEN(kept); i++)
		if (!(capabilities & 1u << i) && prctl(PR_CAPBSET_DROP, kept[i], 0, 0, 0) < 0)
			return -errno;
	return 0;
}

static int keep_only(struct inside *in, uint32_t capabilities)
{
	static const cap_flag_t sets[] = {CAP_PERMITTED, CAP_EFFECTIVE};

	for (uint32_t i = 0; i < ARRAY_LEN(kept); i++)
		for (size_t s = 0; s < ARRAY_LEN(sets) && capabilities & 1u << i; s++)
			if (cap_set_flag(in->no_caps, sets[s], 1, &kept[i], CAP_SET) < 0)
				return -errno;
	return cap_set_proc(in->no_caps) < 0 ? -errno : 0;
}

/* ebb-init needs CAP_KILL if the function has capabilities: the function may then become another
 * user, and ebb-init passes signals on to it. */
static uint32_t of_init(const struct inside *in)
{
	return in->claim->exec.capabilities ? 1u << WIRE_CAPABILITY_KILL : 0;
}

int narrow_function(struct inside *in)
{
	return narrow(in->claim->exec.capabilities);
}

int narrow_init(struct inside *in)
{
	return narrow(of_init(in));
}

int drop_function_caps(struct inside *in)
{
	return keep_only(in, in->claim->exec.capabilities);
}

int drop_init_caps(struct inside *in)
{
	return keep_only(in, of_init(in));
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

int drop_new_privs(struct inside *in)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
