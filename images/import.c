// SPDX-License-Identifier: Apache-2.0
/*
 * One import, as a machine of stages, each with children of its own:
 *
 * DESCRIBE: the child READ finds the documents of the image, HASH hashes the one that names it, and
 * DESCRIBE parses them. LAYERS: each layer that the store has not is applied; READ inflates, HASH
 * hashes, APPLY writes. USER: the user of the image is looked up. MKFS: each new piece becomes an
 * erofs file. SYNC: all is written to disk and published. CLEAN: the staging directory is removed.
 *
 * The descriptor that the caller watches is a loop of the children's pidfds and channels. A piece
 * that the store has is never replaced.
 */
#include "images/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/child.h"
#include "images/jail.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* ---- small things ---- */

static int sync_staging(int dir_fd, const void *unused)
{
	return syncfs(dir_fd) < 0 ? -errno : 0;
}

static int clean_staging(int staging_fd, const void *name)
{
	return fd_rmtree_at(staging_fd, name);
}

/* ---- the machine ---- */

/* A stage has a time limit, but for CLEAN, which handles no foreign file and must come to
 * its end. */
static int set_timer(struct image_import *i)
{
	i->late = false;
	if (i->stage != STAGE_CLEAN)
		return loop_timer_at(i->loop, &i->limit,
				     clock_mono_ns() + i->store->limits.step_ms * NS_PER_MS);
	loop_timer_off(i->loop, &i->limit);
	return 0;
}

static void on_limit(struct timer *t)
{
	container_of(t, struct image_import, limit)->late = true;
}

static void end_worker(struct image_import *i, enum import_worker which)
{
	struct worker *w = &i->workers[which];

	import_forget(i, &w->control, &w->control_fd);
	loop_unwatch(i->loop, &w->pid);
	w->pid.fd = -1;
	child_kill(&w->pid_fd);
}

static int run_own(struct image_import *i, int (*work)(int fd, const void *self), int fd,
		   const void *self)
{
	struct worker *w = &i->workers[WORKER_HERE];
	int r;

	must(w->pid_fd < 0); /* one child of a stage at a time */
	r = child_run(work, fd, self, &w->pid_fd);
	return r < 0 ? r : import_watch(i, &w->pid, w->pid_fd);
}

/* READ and HASH end here, because the archive is not read after the last layer. */
static int begin_user(struct image_import *i)
{
	end_worker(i, WORKER_READ);
	end_worker(i, WORKER_HASH);
	i->layer = 0;
	return import_begin_user(i);
}

/* Begins a stage: 0 when its child runs, 1 when there is nothing to do, -errno. */
static int begin(struct image_import *i)
{
	switch (i->stage) {
	case STAGE_DESCRIBE:
		return import_begin_describe(i);
	case STAGE_LAYERS:
		return import_begin_layer(i);
	case STAGE_USER:
		return begin_user(i);
	case STAGE_MKFS:
		return i->store->erofs ? import_begin_mkfs(i) : 1;
	case STAGE_SYNC:
		return run_own(i, sync_staging, i->dir_fd, NULL);
	case STAGE_CLEAN:
		return run_own(i, clean_staging, i->store->staging_fd, i->name);
	default:
		return 1;
	}
}

static void cannot_start(struct image_import *i, int r)
{
	if (r == -EOPNOTSUPP)
		(void)import_fault(
			i, r,
			"the file system of %.200s cannot be mounted with other ids, and "
			"images need that: let image_dir be on ext4, xfs, btrfs or tmpfs "
			"(`ebb doctor` tries it)",
			i->store->dir);
	else
		(void)import_fault(i, r, "cannot start a helper of the import: %s", strerror(-r));
}

/* Goes on until a child runs or the end is reached. */
static void go_on(struct image_import *i, enum import_stage stage)
{
	int r;

	must(stage >= i->stage && stage < STAGE_END); /* it only goes on */
	i->stage = stage;
	while (i->stage != STAGE_END) {
		if (i->done.err && i->stage != STAGE_CLEAN)
			i->stage = STAGE_CLEAN;
		if (i->stage == STAGE_CLEAN)
			for (int n = 0; n < WORKER_COUNT; n++)
				end_worker(i, (enum import_worker)n);
		r = begin(i);
		if (r == 0)
			r = set_timer(i);
		if (r == 0)
			return;
		if (r < 0)
			cannot_start(i, r);
		if (r < 0 && i->stage == STAGE_CLEAN)
			(void)fd_rmtree_at(i->store->staging_fd, i->name);
		i->stage++;
	}
}

/* ---- ends of children ---- */

static void ended_early(struct image_import *i, enum import_worker which, int status)
{
	char how[256];

	child_describe_end(i->workers[which].output_fd, status, how, sizeof(how));
	(void)import_fault(i, -EIO, "ebb-unpack ended early: %s", how);
}

/* READ may end only after it has reported that the archive is bad; an earlier end is a fault. */
static void on_read_end(struct image_import *i, int status)
{
	if (!i->fate.flowed || !i->fate.read.err)
		ended_early(i, WORKER_READ, status);
}

static void on_hash_end(struct image_import *i, int status)
{
	ended_early(i, WORKER_HASH, status);
}

/* The end of APPLY (or DESCRIBE) after its report needs nothing: the machine goes on when all three
 * children have reported. An end before its report is a fault. */
static void on_apply_end(struct image_import *i, int status)
{
	char how[256];

	if (i->fate.applied)
		return;
	child_describe_end(i->workers[WORKER_HERE].output_fd, status, how, sizeof(how));
	if (i->stage == STAGE_LAYERS && WIFEXITED(status) &&
	    WEXITSTATUS(status) == JAIL_SETUP_FAILED)
		(void)import_fault(i, -EIO,
				   "cannot put layer %" PRIu32 " on those below it: %s (overlayfs "
				   "must be able to write where the images are: ext4, xfs, btrfs)",
				   i->layer + 1, how);
	else
		ended_early(i, WORKER_HERE, status);
}

static void on_user_end(struct image_import *i, int status)
{
	if (!i->fate.applied && !i->user_known)
		ended_early(i, WORKER_HERE, status);
	else if (i->fate.apply.err || !i->user_known)
		(void)import_fault(i, i->fate.apply.err ? -i->fate.apply.err : -EPROTO, "%s",
				   i->fate.apply.text);
	go_on(i, STAGE_MKFS);
}

static void on_mkfs_end(struct image_import *i, int status)
{
	char how[256];

	child_describe_end(i->workers[WORKER_HERE].output_fd, status, how, sizeof(how));
	if (status != 0)
		(void)import_fault(i, -EIO, "mkfs.erofs of layer %" PRIu32 " failed: %s", i->layer,
				   how);
	go_on(i, STAGE_MKFS);
}

static void on_sync_end(struct image_import *i, int status)
{
	if (status != 0)
		(void)import_fault(i, -EIO, "cannot write the layers to disk: %s",
				   WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "killed");
	else
		(void)import_publish(i);
	if (i->done.err == 0 && fsync(i->store->pieces_fd) < 0)
		(void)import_fault(i, -errno, "cannot write the store to disk: %s",
				   strerror(errno));
	go_on(i, STAGE_CLEAN);
}

static void on_clean_end(struct image_import *i, int status)
{
	must(i->stage == STAGE_CLEAN);
	/* If the cleaner was killed or failed, this process removes the directory. */
	if (status != 0)
		(void)fd_rmtree_at(i->store->staging_fd, i->name);
	i->stage = STAGE_END;
}

static void (*const on_end[STAGE_COUNT])(struct image_import *i, int status) = {
	[STAGE_DESCRIBE] = on_apply_end, [STAGE_LAYERS] = on_apply_end,
	[STAGE_USER] = on_user_end,      [STAGE_MKFS] = on_mkfs_end,
	[STAGE_SYNC] = on_sync_end,      [STAGE_CLEAN] = on_clean_end,
};

/* Notes that an unpacker crashed, or made a call that its filter forbids, with the name of the
 * call. SIGKILL is not noted: it comes from this file or from a limit. */
static void note_death(struct image_import *i, enum import_worker which, int status)
{
	static const char *const names[WORKER_COUNT] = {
		[WORKER_READ] = "READ", [WORKER_HASH] = "HASH", [WORKER_HERE] = "HERE"};
	char how[256];

	if (!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL || i->death[0] ||
	    i->stage >= STAGE_MKFS)
		return;
	child_describe_end(i->workers[which].output_fd, status, how, sizeof(how));
	(void)text_format(i->death, sizeof(i->death), "ebb-unpack (%s) was %s", names[which], how);
}

const char *image_import_death(const struct image_import *i)
{
	return i->death;
}

static void reap(struct image_import *i, enum import_worker which)
{
	struct worker *w = &i->workers[which];
	int status = 0;
	int r = w->pid_fd < 0 ? 0 : child_reap(w->pid_fd, &status);

	if (r == 0)
		return;
	import_forget(i, &w->pid, &w->pid_fd);
	import_read_words(i); /* the child's last record may have come together with its end */
	import_forget(i, &w->control, &w->control_fd);
	status = r < 0 ? W_EXITCODE(EXIT_FAILURE, 0) : status;
	note_death(i, which, status);
	if (which == WORKER_READ)
		return on_read_end(i, status);
	if (which == WORKER_HASH)
		return on_hash_end(i, status);
	must(on_end[i->stage]);
	on_end[i->stage](i, status);
}

/* Begins the next layer or stage when all children that it waits for have reported. */
static void advance(struct image_import *i)
{
	if (i->stage == STAGE_CLEAN || i->stage == STAGE_END)
		return;
	if (i->stage == STAGE_DESCRIBE && !i->naming && i->workers[WORKER_HERE].pid_fd < 0) {
		(void)import_judge_documents(i);
	} else if (i->stage == STAGE_DESCRIBE && i->named && !i->done.err) {
		import_choose(i);
		go_on(i, STAGE_LAYERS);
	} else if (i->stage == STAGE_LAYERS && i->workers[WORKER_HERE].pid_fd < 0 &&
		   import_judge_layer(i) == 1) {
		i->layer++;
		go_on(i, STAGE_LAYERS);
	}
	if (i->done.err && i->stage != STAGE_CLEAN && i->stage != STAGE_END)
		go_on(i, STAGE_CLEAN);
}

static void check_time(struct image_import *i)
{
	static const char *const doing[STAGE_COUNT] = {
		[STAGE_DESCRIBE] = "reading the archive", [STAGE_LAYERS] = "unpacking",
		[STAGE_USER] = "looking the user up",     [STAGE_MKFS] = "mkfs.erofs of a layer",
		[STAGE_SYNC] = "writing to disk",
	};

	if (!i->late || !doing[i->stage])
		return;
	i->late = false;
	(void)import_fault(i, -ETIMEDOUT, "%s took longer than %u s (import_step_s)",
			   doing[i->stage], i->store->limits.step_ms / 1000);
}

void image_import_cancel(struct image_import *i)
{
	if (i->stage == STAGE_CLEAN || i->stage == STAGE_END)
		return;
	(void)import_fault(i, -ECANCELED, "given up: nobody waits for it any more");
	go_on(i, STAGE_CLEAN);
}

int image_import_step(struct image_import *i, struct wire_image_done *done)
{
	int r = loop_turn(i->loop); /* takes note of the time */

	if (r < 0)
		(void)import_fault(i, r, "cannot wait for the unpacker: %s", strerror(-r));
	import_read_words(i);
	for (int n = 0; n < WORKER_COUNT; n++)
		reap(i, (enum import_worker)n);
	check_time(i);
	advance(i);
	if (i->stage != STAGE_END)
		return 0;
	*done = i->done;
	return 1;
}

/* ---- life cycle ---- */

static int make_staging(struct image_import *i)
{
	struct image_store *s = i->store;

	(void)text_format(i->name, sizeof(i->name), "%" PRIu64, s->next_staging++);
	if (mkdirat(s->staging_fd, i->name, 0700) < 0)
		return -errno;
	i->dir_fd = openat(s->staging_fd, i->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (i->dir_fd < 0)
		return -errno;
	return 0;
}

static struct image_import *import_new(struct image_store *s, const struct wire_image_import *job)
{
	struct image_import *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->store = s;
	i->format = job->format;
	i->done.cookie = job->cookie;
	i->dir_fd = -1;
	for (int n = 0; n < WORKER_COUNT; n++)
		i->workers[n] = (struct worker){-1, -1, -1, .pid.fd = -1, .control.fd = -1};
	i->limit = (struct timer){.on_due = on_limit, .name = "import on_limit"};
	return i;
}

static int start_workers(struct image_import *i, const struct wire_image_import *job, int source_fd)
{
	struct wire_unpack_job read = {.role = WIRE_UNPACK_READ}, hash = {.role = WIRE_UNPACK_HASH};
	int r;

	memcpy(read.reference, job->reference, sizeof(read.reference));
	r = import_spawn(i, WORKER_READ, &read, &source_fd, 1, -1, NULL);
	return r < 0 ? r : import_spawn(i, WORKER_HASH, &hash, NULL, 0, -1, NULL);
}

/* A plain tar has no documents: its one layer is always wanted, and gets its name from
 * its bytes. */
static void begin_import(struct image_import *i)
{
	if (i->format != WIRE_IMAGE_ROOTFS_TAR) {
		go_on(i, STAGE_DESCRIBE);
		return;
	}
	i->done.layer_count = 1;
	i->wanted[0] = true;
	go_on(i, STAGE_LAYERS);
}

int image_import_start(struct image_store *s, const struct wire_image_import *job, int source_fd,
		       struct image_import **out)
{
	struct image_import *i = import_new(s, job);
	int r = i ? loop_new(&i->loop) : -ENOMEM;

	if (r == 0)
		r = make_staging(i);
	if (r == 0)
		r = start_workers(i, job, source_fd);
	if (r < 0) {
		image_import_free(i);
		return r;
	}
	begin_import(i);
	*out = i;
	return 0;
}

int image_import_fd(const struct image_import *i)
{
	return loop_fd(i->loop);
}

void image_import_free(struct image_import *i)
{
	if (!i)
		return;
	for (int n = 0; n < WORKER_COUNT; n++) {
		child_kill(&i->workers[n].pid_fd);
		fd_close(&i->workers[n].control_fd);
		fd_close(&i->workers[n].output_fd);
	}
	if (i->stage != STAGE_END && i->name[0])
		(void)fd_rmtree_at(i->store->staging_fd, i->name);
	fd_close(&i->dir_fd);
	loop_free(i->loop);
	free(i);
}
