// SPDX-License-Identifier: Apache-2.0
/*
 * The records of an import's children. They are foreign, because a child may have been taken over
 * by the archive; only HASH can be believed, as it parses nothing. READ and APPLY decide only
 * whether this import goes on. HASH names the stored pieces, by the bytes that flowed.
 */
#include "images/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "images/jail.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

/* ---- READ ---- */

static int on_read_done(void *self, struct wire_message *m)
{
	struct image_import *i = self;
	const struct wire_unpack_done *d = (const void *)m->record;

	if (!text_terminated(d->text, sizeof(d->text)) || d->err < 0 || i->fate.flowed)
		return -EPROTO;
	i->fate.read = *d;
	i->fate.flowed = true;
	return 0;
}

/* ---- HASH ---- */

static int on_keys(void *self, struct wire_message *m)
{
	struct image_import *i = self;
	const struct wire_unpack_chain *keys = (const void *)m->record;

	if (!i->naming || i->named || keys->count != i->done.layer_count)
		return -EPROTO;
	memcpy(i->done.layers, keys->ids, sizeof(i->done.layers));
	i->named = true;
	return 0;
}

static int on_digest(void *self, struct wire_message *m)
{
	struct image_import *i = self;

	if (i->fate.hashed || (i->stage != STAGE_DESCRIBE && i->stage != STAGE_LAYERS))
		return -EPROTO;
	i->fate.hashed = true;
	memcpy(&i->fate.digest, m->record, sizeof(i->fate.digest));
	return 0;
}

/* ---- DESCRIBE, APPLY, USER ---- */

static int on_image(void *self, struct wire_message *m)
{
	struct image_import *i = self;
	const struct wire_unpack_image *image = (const void *)m->record;

	if (i->stage != STAGE_DESCRIBE || i->described || image->layer_count == 0 ||
	    image->layer_count > IMAGE_LAYERS_MAX ||
	    !text_terminated(image->user, sizeof(image->user)))
		return -EPROTO;
	i->described = true;
	i->image = *image;
	i->done.layer_count = image->layer_count;
	i->done.config = image->config;
	return 0;
}

static int on_user(void *self, struct wire_message *m)
{
	struct image_import *i = self;
	const struct wire_unpack_user *user = (const void *)m->record;
	struct wire_image_config *c = &i->done.config;

	if (i->stage != STAGE_USER || i->user_known)
		return -EPROTO;
	i->user_known = true;
	c->uid = user->uid;
	c->gid = user->gid;
	memcpy(c->groups, user->groups, sizeof(c->groups));
	c->group_count = user->group_count;
	c->user_count = user->user_count;
	memcpy(c->users, user->users, sizeof(c->users));
	return 0;
}

static int on_here_done(void *self, struct wire_message *m)
{
	struct image_import *i = self;
	const struct wire_unpack_done *d = (const void *)m->record;

	if (!text_terminated(d->text, sizeof(d->text)) || d->err < 0 || i->fate.applied)
		return -EPROTO;
	i->fate.apply = *d;
	i->fate.applied = true;
	return 0;
}

/* ---- all ---- */

/* clang-format off */
static const struct wire_rule rules[WORKER_COUNT][3] = {
	[WORKER_READ] = {
		{WIRE_UNPACK_DONE, sizeof(struct wire_unpack_done), 1, 0, 0, on_read_done}},
	[WORKER_HASH] = {
		{WIRE_UNPACK_KEYS, sizeof(struct wire_unpack_chain), 1, 0, 0, on_keys},
		{WIRE_UNPACK_DIGEST, sizeof(struct wire_unpack_digest), 1, 0, 0, on_digest}},
	[WORKER_HERE] = {
		{WIRE_UNPACK_IMAGE, sizeof(struct wire_unpack_image), 1, 0, 0, on_image},
		{WIRE_UNPACK_USER_FOUND, sizeof(struct wire_unpack_user), 1, 0, 0, on_user},
		{WIRE_UNPACK_DONE, sizeof(struct wire_unpack_done), 1, 0, 0, on_here_done}},
};
/* clang-format on */

static void read_worker(struct image_import *i, enum import_worker which)
{
	struct worker *w = &i->workers[which];
	struct wire_message m;

	while (w->control_fd >= 0) {
		int r = wire_recv(w->control_fd, &m);

		if (r == -EAGAIN)
			return;
		if (r > 0)
			r = wire_dispatch(rules[which], ARRAY_LEN(rules[which]), 1, i, &m);
		else if (r == -ECONNRESET)
			continue; /* the child ended while we wrote: its last records come now */
		else
			r = r == 0 ? -EPIPE : r;
		if (r < 0) {
			import_forget(i, &w->control, &w->control_fd);
			if (r != -EPIPE)
				(void)import_fault(i, r, "ebb-unpack broke its protocol: %s",
						   strerror(-r));
		}
	}
}

void import_read_words(struct image_import *i)
{
	for (int n = 0; n < WORKER_COUNT; n++)
		read_worker(i, (enum import_worker)n);
}

/* The capabilities of a role. The child itself gives up CAP_SYS_CHROOT once it is in its root. */
static uint32_t caps_of(uint32_t role)
{
	static const uint32_t caps[WIRE_UNPACK_ROLE_COUNT] = {
		[WIRE_UNPACK_APPLY] = 1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER |
				      1u << CAP_FSETID,
		[WIRE_UNPACK_USER] = 1u << CAP_DAC_READ_SEARCH,
	};

	return caps[role] | 1u << CAP_SYS_CHROOT;
}

static int send_job(const struct image_import *i, int control_fd, struct wire_unpack_job *job,
		    const int *fds, unsigned int fd_count)
{
	const struct image_limits *limits = &i->store->limits;

	job->format = i->format;
	job->bytes_max = limits->bytes_max;
	job->file_bytes_max = limits->file_bytes_max;
	job->entries_max = limits->entries_max;
	return wire_send(control_fd, WIRE_UNPACK_JOB, job, sizeof(*job), fds, fd_count);
}

int import_spawn(struct image_import *i, enum import_worker which, struct wire_unpack_job *job,
		 const int *fds, unsigned int fd_count, int dir_fd, const struct jail_root *root)
{
	char *const argv[] = {"ebb-unpack", NULL};
	struct worker *w = &i->workers[which];
	SCOPED_FD child_fd = -1;
	struct jail_command c = {
		.exe_fd = i->store->unpack_fd,
		.argv = argv,
		.dir_fd = dir_fd,
		.root = root,
		.user_ns_fd = i->store->user_ns_fd,
		.caps = caps_of(job->role),
		.mount_point = i->store->jail_dir,
	};
	int r = import_renew_output(w);

	if (r == 0)
		r = wire_pair(&w->control_fd, &child_fd);
	if (r < 0)
		return r;
	c.output_fd = w->output_fd;
	c.control_fd = child_fd;
	r = send_job(i, w->control_fd, job, fds, fd_count);
	if (r == 0 && fcntl(w->control_fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0)
		r = import_watch(i, &w->control, w->control_fd);
	if (r == 0)
		r = jail_spawn(&c, &w->pid_fd);
	return r < 0 ? r : import_watch(i, &w->pid, w->pid_fd);
}

/* ---- the result of a layer ---- */

static int judge_digest(struct image_import *i)
{
	char found[2 * DIGEST_SIZE + 1], wanted[2 * DIGEST_SIZE + 1];
	const uint8_t *promised = i->image.diff_ids[i->layer];

	if (i->format == WIRE_IMAGE_ROOTFS_TAR) {
		memcpy(i->done.layers[0], i->fate.digest.digest, DIGEST_SIZE);
		memcpy(i->done.digest, i->fate.digest.digest, DIGEST_SIZE);
		return 0;
	}
	if (memcmp(promised, i->fate.digest.digest, DIGEST_SIZE) == 0)
		return 0;
	text_hex(found, i->fate.digest.digest, DIGEST_SIZE);
	text_hex(wanted, promised, DIGEST_SIZE);
	return import_fault(i, -EINVAL,
			    "layer %" PRIu32 ": diff_id is sha256:%s, the config says sha256:%s",
			    i->layer + 1, found, wanted);
}

/* Returns 1 when HASH has been asked for the names. */
int import_judge_documents(struct image_import *i)
{
	struct layer_fate *f = &i->fate;
	struct wire_unpack_chain chain = {.count = i->image.layer_count};
	int r;

	if (!f->flowed || !f->hashed || !f->applied)
		return 0;
	if (f->read.err)
		return import_fault(i, -f->read.err, "%s", f->read.text);
	if (f->apply.err || !i->described)
		return import_fault(i, f->apply.err ? -f->apply.err : -EPROTO, "%s", f->apply.text);
	memcpy(i->done.digest, f->digest.digest, DIGEST_SIZE);
	memcpy(chain.ids, i->image.diff_ids, sizeof(chain.ids));
	i->naming = true;
	r = wire_send(i->workers[WORKER_HASH].control_fd, WIRE_UNPACK_CHAIN, &chain, sizeof(chain),
		      NULL, 0);
	return r < 0 ? import_fault(i, r, "ebb-unpack is not there any more") : 1;
}

/* A damaged archive makes a damaged tar too. So the reports are judged in the order of the
 * pipeline, and the user hears of the first cause, not of the first report. */
int import_judge_layer(struct image_import *i)
{
	struct layer_fate *f = &i->fate;
	int r;

	if (!f->flowed || !f->hashed || !f->applied)
		return 0;
	if (f->read.err)
		return import_fault(i, -f->read.err, "%s", f->read.text);
	r = judge_digest(i);
	if (r < 0)
		return r;
	if (f->apply.err)
		return import_fault(i, -f->apply.err, "%s", f->apply.text);
	i->tar_bytes[i->layer] = f->digest.bytes;
	i->done.bytes += f->digest.bytes;
	if (f->apply.bytes > i->claimed)
		i->claimed = f->apply.bytes;
	if (f->apply.entries > i->entries)
		i->entries = f->apply.entries;
	return 1;
}
