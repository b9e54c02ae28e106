// SPDX-License-Identifier: Apache-2.0
#include "images/unpack/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/rehearse.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

/* ---- roles ---- */

static int read_archive(struct unpack *u)
{
	static int (*const formats[WIRE_IMAGE_FORMAT_COUNT])(struct unpack * u) = {
		[WIRE_IMAGE_OCI_ARCHIVE] = oci_read,
		[WIRE_IMAGE_DOCKER_ARCHIVE] = docker_read,
		[WIRE_IMAGE_ROOTFS_TAR] = flow_source,
	};

	return formats[u->job->format](u);
}

static int find_user(struct unpack *u)
{
	static struct wire_unpack_user user; /* large for a stack */
	const struct wire_image_config *c = &u->config;
	int r = user_resolve(u, u->job->user);

	if (r < 0)
		return r;
	user.uid = c->uid;
	user.gid = c->gid;
	memcpy(user.groups, c->groups, sizeof(user.groups));
	user.group_count = c->group_count;
	user.user_count = c->user_count;
	memcpy(user.users, c->users, sizeof(user.users));
	return wire_send(u->control_fd, WIRE_UNPACK_USER_FOUND, &user, sizeof(user), NULL, 0);
}

/* The roles, each with its capabilities. Writing files as the image's root takes four (a whiteout
 * needs no CAP_MKNOD since Linux 5.8). USER and PACK have one, because an image may close its files
 * even to its own root. */
static const struct role {
	uint32_t caps;
	unsigned int fds;
	bool talks; /* reports while it works, so main sends no report at its end */
	int (*run)(struct unpack *u);
} roles[WIRE_UNPACK_ROLE_COUNT] = {
	[WIRE_UNPACK_READ] = {0, 1, true, read_archive},
	[WIRE_UNPACK_HASH] = {0, 0, true, hash_flows},
	[WIRE_UNPACK_DESCRIBE] = {0, 2, false, describe},
	[WIRE_UNPACK_APPLY] = {1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER |
				       1u << CAP_FSETID,
			       1, false, layer_apply},
	[WIRE_UNPACK_USER] = {1u << CAP_DAC_READ_SEARCH, 0, false, find_user},
	[WIRE_UNPACK_PACK] = {1u << CAP_DAC_READ_SEARCH, 1, false, pack},
};

/* The jail shows its directory at /work, and layers at /root: an overlay, or each for itself. */
static const char *root_of(const struct wire_unpack_job *job)
{
	return job->role == WIRE_UNPACK_USER || job->role == WIRE_UNPACK_PACK ||
			       (job->role == WIRE_UNPACK_APPLY && job->layer > 0)
		       ? "/root"
		       : "/work";
}

static int run(struct unpack *u, const struct role *role)
{
	int r;

	/* The tree under the overlay is opened too, to be tidied (tidy.c). */
	if (u->job->role == WIRE_UNPACK_APPLY && u->job->layer > 0)
		u->tree_fd = open("/work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = confine_self(u, root_of(u->job), role->caps);
	return r < 0 ? r : role->run(u);
}

static int report(const struct unpack *u, int result)
{
	struct wire_unpack_done done = {
		.err = -result,
		.bytes = u->claimed,
		.entries = u->entries,
	};

	if (result < 0)
		(void)text_format(done.text, sizeof(done.text), "%s",
				  u->err[0] ? u->err : strerror(-result));
	return wire_send(u->control_fd, WIRE_UNPACK_DONE, &done, sizeof(done), NULL, 0);
}

static bool job_is_valid(const struct wire_message *m)
{
	const struct wire_unpack_job *job = (const void *)m->record;

	return m->head.type == WIRE_UNPACK_JOB && m->head.size == sizeof(*job) &&
	       job->role < WIRE_UNPACK_ROLE_COUNT && job->format < WIRE_IMAGE_FORMAT_COUNT &&
	       m->fd_count == roles[job->role].fds &&
	       text_terminated(job->reference, sizeof(job->reference)) &&
	       text_terminated(job->user, sizeof(job->user));
}

int main(int argc, char **argv)
{
	static struct wire_message m; /* holds the job until the end */
	static struct unpack u = {.control_fd = UNPACK_CONTROL_FD,
				  .source_fd = -1,
				  .second_fd = -1,
				  .flow_fd = -1,
				  .tree_fd = -1};
	const struct role *role;
	const char *rehearsal = rehearse_wanted(argc, argv);
	int r;

	/* Without it libarchive reports every name outside ASCII as a warning. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	umask(022);
	(void)signal(SIGXFSZ, SIG_IGN); /* so that a file beyond the limit is an error, EFBIG */
	(void)signal(SIGPIPE, SIG_IGN);
	if (rehearsal)
		return confine_calls(u.err, sizeof(u.err)) < 0 || rehearse(rehearsal) < 0;
	if (wire_recv(UNPACK_CONTROL_FD, &m) != 1 || !job_is_valid(&m)) {
		fprintf(stderr, "ebb-unpack: is started by ebbd with a job on descriptor %d\n",
			UNPACK_CONTROL_FD);
		return 2;
	}
	u.job = (const void *)m.record;
	u.source_fd = m.fd_count > 0 ? m.fds[0] : -1;
	u.second_fd = m.fd_count > 1 ? m.fds[1] : -1;
	role = &roles[u.job->role];
	r = run(&u, role);
	if (r == 0 && role->talks)
		return 0;
	r = report(&u, r) < 0 || r < 0;
	return r;
}
