// SPDX-License-Identifier: Apache-2.0
/*
 * One import: UNPACK -> MKFS (each new layer) -> SYNC -> publish -> CLEAN. Every stage but the
 * short publish runs in a child; the descriptor the caller watches is an epoll set of that child's
 * pidfd and of the unpacker's channel. What the unpacker says is foreign: it is checked here and
 * decides only about its own layers. A diff_id that the store has is never replaced.
 */
#include "images/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "images/child.h"
#include "images/jail.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

/* The unpacker gives up SYS_CHROOT itself, once it is in its target. */
#define UNPACK_CAPS                                                                       \
	(1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_FSETID | \
	 1u << CAP_SYS_CHROOT)

/* clang-format off */
#define IMPORT_STAGES(X) X(UNPACK) X(MKFS) X(SYNC) X(CLEAN) X(END)
/* clang-format on */
#define X(name) STAGE_##name,
enum import_stage { IMPORT_STAGES(X) STAGE_COUNT };
#undef X

struct image_import {
	struct image_store *store;
	enum import_stage stage;
	int epoll_fd;
	int pid_fd;     /* child of this stage, or -1 */
	int timer_fd;   /* the time of that child */
	int control_fd; /* of the unpacker, or -1 */
	int output_fd;  /* memfd: what the child of this stage said */
	int dir_fd;     /* staging directory itself */
	bool said_done;
	uint32_t layer;                /* MKFS: the next to make */
	bool wanted[IMAGE_LAYERS_MAX]; /* new to the store */
	char name[24];                 /* of the staging directory */
	struct wire_image_done done;
};

/* ---- small things ---- */

/* The import fails for this cause; what is already known stays. Returns err. */
__attribute__((format(printf, 3, 4))) static int fault(struct image_import *i, int err,
						       const char *fmt, ...)
{
	va_list ap;

	if (i->done.err)
		return err;
	i->done.err = -err;
	va_start(ap, fmt);
	(void)vsnprintf(i->done.text, sizeof(i->done.text), fmt, ap);
	va_end(ap);
	return err;
}

static int watch(struct image_import *i, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(i->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static void forget(struct image_import *i, int *fd)
{
	if (*fd >= 0)
		(void)epoll_ctl(i->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
	fd_close(fd);
}

/* A fresh place for the next child's words. */
static int renew_output(struct image_import *i)
{
	fd_close(&i->output_fd);
	i->output_fd = memfd_create("ebb-image", MFD_CLOEXEC);
	return i->output_fd < 0 ? -errno : 0;
}

/* "killed by signal 31: last words" */
static void describe_end(const struct image_import *i, int status, char *buf, size_t size)
{
	char said[200] = "";
	off_t end = lseek(i->output_fd, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(said) - 1 ? end - (off_t)sizeof(said) + 1 : 0;
	ssize_t n = pread(i->output_fd, said, sizeof(said) - 1, from);

	for (n = n < 0 ? 0 : n; n > 0 && said[n - 1] == '\n'; n--)
		;
	said[n < 0 ? 0 : n] = '\0';
	for (char *c = said; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	(void)text_format(buf, size,
			  WIFSIGNALED(status) ? "killed by signal %d%s%s" : "exit %d%s%s",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			  said[0] ? ": " : "", said);
}

static void layer_hex(const struct image_import *i, uint32_t layer, char hex[LAYER_NAME_SIZE])
{
	text_hex(hex, i->done.layers[layer], DIGEST_SIZE);
}

/* ---- UNPACK ---- */

static int on_layer(void *self, struct wire_message *m)
{
	struct image_import *i = self;
	const struct wire_unpack_layer *l = (const void *)m->record;

	if (l->index != i->done.layer_count || l->index >= IMAGE_LAYERS_MAX)
		return -EPROTO;
	memcpy(i->done.layers[l->index], l->diff_id, DIGEST_SIZE);
	i->done.bytes += l->bytes;
	i->done.layer_count++;
	return 0;
}

static int on_done(void *self, struct wire_message *m)
{
	struct image_import *i = self;
	const struct wire_unpack_done *d = (const void *)m->record;

	if (!text_terminated(d->text, sizeof(d->text)) || d->err < 0 ||
	    (d->err == 0 && (d->layer_count == 0 || d->layer_count != i->done.layer_count)))
		return -EPROTO;
	i->said_done = true;
	if (d->err)
		return fault(i, -d->err, "%s", d->text) < 0 ? 0 : -EPROTO;
	memcpy(i->done.digest, d->digest, DIGEST_SIZE);
	i->done.config = d->config;
	return 0;
}

/* Before DONE both may come, after it nothing. */
enum { PHASE_OPEN = 1, PHASE_DONE = 2 };
static const struct wire_rule unpack_rules[] = {
	{WIRE_UNPACK_LAYER, sizeof(struct wire_unpack_layer), PHASE_OPEN, 0, 0, on_layer},
	{WIRE_UNPACK_DONE, sizeof(struct wire_unpack_done), PHASE_OPEN, 0, 0, on_done},
};

static void read_control(struct image_import *i)
{
	struct wire_message m;

	while (i->control_fd >= 0) {
		int r = wire_recv(i->control_fd, &m);

		if (r == -EAGAIN)
			return;
		if (r > 0)
			r = wire_dispatch(unpack_rules, ARRAY_LEN(unpack_rules),
					  i->said_done ? PHASE_DONE : PHASE_OPEN, i, &m);
		else
			r = r == 0 || r == -ECONNRESET ? -EPIPE : r;
		if (r < 0) {
			forget(i, &i->control_fd);
			if (r != -EPIPE)
				(void)fault(i, r, "ebb-unpack broke its protocol: %s",
					    strerror(-r));
		}
	}
}

static int send_job(struct image_import *i, const struct wire_image_import *job, int source_fd)
{
	struct wire_unpack_job u = {
		.format = job->format,
		.bytes_max = i->store->limits.bytes_max,
		.file_bytes_max = i->store->limits.file_bytes_max,
		.entries_max = i->store->limits.entries_max,
	};
	SCOPED_FD target_fd = -1;
	int r = jail_idmap(i->dir_fd, i->store->user_ns_fd, &target_fd);

	if (r < 0)
		return r;
	memcpy(u.reference, job->reference, sizeof(u.reference));
	return wire_send(i->control_fd, WIRE_UNPACK_JOB, &u, sizeof(u),
			 (const int[]){source_fd, target_fd}, 2);
}

static int start_unpack(struct image_import *i, const struct wire_image_import *job, int source_fd)
{
	char *const argv[] = {"ebb-unpack", NULL};
	SCOPED_FD child_fd = -1;
	struct jail_command c = {
		.exe_fd = i->store->unpack_fd,
		.argv = argv,
		.dir_fd = i->dir_fd,
		.output_fd = i->output_fd,
		.user_ns_fd = i->store->user_ns_fd,
		.caps = UNPACK_CAPS,
		.mount_point = i->store->jail_dir,
	};
	int r = wire_pair(&i->control_fd, &child_fd);

	if (r < 0)
		return r;
	c.control_fd = child_fd;
	r = send_job(i, job, source_fd);
	if (r == 0 && fcntl(i->control_fd, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	if (r == 0)
		r = watch(i, i->control_fd);
	return r < 0 ? r : jail_spawn(&c, &i->pid_fd);
}

/* ---- MKFS ---- */

/* The unpacker's word is not enough: a layer is a directory, found without following links. */
static int check_layer(struct image_import *i, uint32_t layer)
{
	char path[32];
	struct stat st;

	(void)text_format(path, sizeof(path), "layers/%" PRIu32, layer);
	if (fstatat(i->dir_fd, "layers", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
	    fstatat(i->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return fault(i, -EPROTO, "ebb-unpack left no directory for layer %" PRIu32,
			     layer + 1);
	return 0;
}

/* Those that the store has not, each once. */
static int choose_layers(struct image_import *i)
{
	for (uint32_t n = 0; n < i->done.layer_count; n++) {
		char hex[LAYER_NAME_SIZE];
		bool repeated = false;
		int r = check_layer(i, n);

		if (r < 0)
			return r;
		layer_hex(i, n, hex);
		for (uint32_t k = 0; k < n; k++)
			repeated |= memcmp(i->done.layers[k], i->done.layers[n], DIGEST_SIZE) == 0;
		i->wanted[n] = !repeated && !store_has_layer(i->store, hex);
	}
	return 0;
}

/* The next wanted layer; 1 when none is left. */
static int start_mkfs(struct image_import *i)
{
	char name[32], hex[LAYER_NAME_SIZE], uuid[40];
	int r;

	while (i->layer < i->done.layer_count && !i->wanted[i->layer])
		i->layer++;
	if (i->layer == i->done.layer_count)
		return 1;
	layer_hex(i, i->layer, hex);
	(void)text_format(name, sizeof(name), "layers/%" PRIu32, i->layer);
	(void)text_format(uuid, sizeof(uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
			  hex + 16, hex + 20);
	i->layer++;
	r = renew_output(i);
	return r < 0 ? r
		     : store_spawn_mkfs(i->store, i->dir_fd, name, uuid, i->output_fd, &i->pid_fd);
}

/* ---- SYNC and publish ---- */

static int sync_staging(int dir_fd, const void *unused)
{
	return syncfs(dir_fd) < 0 ? -errno : 0;
}

static int publish_layer(struct image_import *i, uint32_t layer)
{
	const char *suffix = i->store->erofs ? EROFS_SUFFIX : "";
	char from[48], to[LAYER_NAME_SIZE + sizeof(EROFS_SUFFIX)], hex[LAYER_NAME_SIZE];
	struct stat st;

	layer_hex(i, layer, hex);
	(void)text_format(from, sizeof(from), "layers/%" PRIu32 "%s", layer, suffix);
	(void)text_format(to, sizeof(to), "%s%s", hex, suffix);
	if (fstatat(i->dir_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (i->store->erofs ? !S_ISREG(st.st_mode) || st.st_nlink != 1 : !S_ISDIR(st.st_mode))
		return -EPROTO;
	/* Another import may have been faster with the same layer. */
	if (renameat2(i->dir_fd, from, i->store->layers_fd, to, RENAME_NOREPLACE) < 0 &&
	    errno != EEXIST)
		return -errno;
	return 0;
}

static int publish(struct image_import *i)
{
	for (uint32_t n = 0; n < i->done.layer_count; n++) {
		int r = i->wanted[n] ? publish_layer(i, n) : 0;

		if (r < 0)
			return fault(i, r, "cannot put layer %" PRIu32 " into the store: %s", n + 1,
				     strerror(-r));
	}
	return 0;
}

/* ---- CLEAN ---- */

static int clean_staging(int staging_fd, const void *name)
{
	return fd_rmtree_at(staging_fd, name);
}

/* ---- the machine ---- */

/* Cleaning up is our own work and is let end. */
static int set_timer(struct image_import *i)
{
	uint32_t ms = i->stage == STAGE_CLEAN ? 0 : i->store->limits.step_ms;
	const struct itimerspec when = {
		.it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}};

	return timerfd_settime(i->timer_fd, 0, &when, NULL) < 0 ? -errno : 0;
}

/* Begins a stage: 0 when its child runs, 1 when there is nothing to do, -errno. */
static int begin(struct image_import *i)
{
	switch (i->stage) {
	case STAGE_MKFS:
		return i->store->erofs ? start_mkfs(i) : 1;
	case STAGE_SYNC:
		return child_run(sync_staging, i->dir_fd, NULL, &i->pid_fd);
	case STAGE_CLEAN:
		return child_run(clean_staging, i->store->staging_fd, i->name, &i->pid_fd);
	default:
		return 1;
	}
}

/* Goes on until a child runs or the end is reached. */
static void go_on(struct image_import *i, enum import_stage stage)
{
	int r;

	i->stage = stage;
	while (i->stage != STAGE_END) {
		if (i->done.err && i->stage != STAGE_CLEAN)
			i->stage = STAGE_CLEAN;
		r = begin(i);
		if (r == 0)
			r = watch(i, i->pid_fd);
		if (r == 0)
			r = set_timer(i);
		if (r == 0)
			return;
		if (r < 0)
			(void)fault(i, r, "cannot start a helper of the import: %s", strerror(-r));
		if (r < 0 && i->stage == STAGE_CLEAN)
			(void)fd_rmtree_at(i->store->staging_fd, i->name);
		i->stage++;
	}
}

static void on_unpack_end(struct image_import *i, int status)
{
	char how[256];

	read_control(i); /* its last record may have come with its end */
	forget(i, &i->control_fd);
	describe_end(i, status, how, sizeof(how));
	if (!i->said_done)
		(void)fault(i, -EIO, "ebb-unpack ended early: %s", how);
	if (i->done.err == 0)
		(void)choose_layers(i);
	go_on(i, STAGE_MKFS);
}

static void on_mkfs_end(struct image_import *i, int status)
{
	char how[256];

	describe_end(i, status, how, sizeof(how));
	if (status != 0)
		(void)fault(i, -EIO, "mkfs.erofs of layer %" PRIu32 " failed: %s", i->layer, how);
	go_on(i, STAGE_MKFS);
}

static void on_sync_end(struct image_import *i, int status)
{
	if (status != 0)
		(void)fault(i, -EIO, "cannot write the layers to disk: %s",
			    WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "killed");
	else
		(void)publish(i);
	if (i->done.err == 0 && fsync(i->store->layers_fd) < 0)
		(void)fault(i, -errno, "cannot write the store to disk: %s", strerror(errno));
	go_on(i, STAGE_CLEAN);
}

static void on_clean_end(struct image_import *i, int status)
{
	/* A killed cleaner is no reason to leave a directory behind. */
	if (status != 0)
		(void)fd_rmtree_at(i->store->staging_fd, i->name);
	i->stage = STAGE_END;
}

static void (*const on_end[STAGE_COUNT])(struct image_import *i, int status) = {
	[STAGE_UNPACK] = on_unpack_end,
	[STAGE_MKFS] = on_mkfs_end,
	[STAGE_SYNC] = on_sync_end,
	[STAGE_CLEAN] = on_clean_end,
};

static void give_up(struct image_import *i)
{
	forget(i, &i->control_fd);
	(void)epoll_ctl(i->epoll_fd, EPOLL_CTL_DEL, i->pid_fd, NULL);
	child_kill(&i->pid_fd);
	go_on(i, STAGE_CLEAN);
}

static void check_time(struct image_import *i)
{
	static const char *const doing[STAGE_COUNT] = {
		[STAGE_UNPACK] = "unpacking",
		[STAGE_MKFS] = "mkfs.erofs of a layer",
		[STAGE_SYNC] = "writing to disk",
	};
	uint64_t unused;

	if (read(i->timer_fd, &unused, sizeof(unused)) < 0 || !doing[i->stage] || i->pid_fd < 0)
		return;
	(void)fault(i, -ETIMEDOUT, "%s took longer than %u s (import_step_s)", doing[i->stage],
		    i->store->limits.step_ms / 1000);
	give_up(i);
}

void image_import_cancel(struct image_import *i)
{
	if (i->stage == STAGE_CLEAN || i->stage == STAGE_END)
		return;
	(void)fault(i, -ECANCELED, "given up: nobody waits for it any more");
	give_up(i);
}

int image_import_step(struct image_import *i, struct wire_image_done *done)
{
	int status = 0, r;

	read_control(i);
	r = i->pid_fd < 0 ? 0 : child_reap(i->pid_fd, &status);
	if (r != 0) {
		forget(i, &i->pid_fd);
		must(on_end[i->stage]);
		on_end[i->stage](i, r < 0 ? W_EXITCODE(EXIT_FAILURE, 0) : status);
	} else {
		check_time(i);
	}
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

static struct image_import *import_new(struct image_store *s, uint64_t cookie)
{
	struct image_import *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->store = s;
	i->done.cookie = cookie;
	i->pid_fd = i->control_fd = i->output_fd = i->dir_fd = -1;
	i->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	i->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return i;
}

int image_import_start(struct image_store *s, const struct wire_image_import *job, int source_fd,
		       struct image_import **out)
{
	struct image_import *i = import_new(s, job->cookie);
	int r = !i ? -ENOMEM : i->epoll_fd < 0 || i->timer_fd < 0 ? -EMFILE : 0;

	if (r == 0)
		r = make_staging(i);
	if (r == 0)
		r = renew_output(i);
	if (r == 0)
		r = start_unpack(i, job, source_fd);
	if (r == 0)
		r = watch(i, i->pid_fd);
	if (r == 0)
		r = watch(i, i->timer_fd);
	if (r == 0)
		r = set_timer(i);
	if (r < 0)
		image_import_free(i);
	else
		*out = i;
	return r;
}

int image_import_fd(const struct image_import *i)
{
	return i->epoll_fd;
}

void image_import_free(struct image_import *i)
{
	if (!i)
		return;
	child_kill(&i->pid_fd);
	if (i->stage != STAGE_END && i->name[0])
		(void)fd_rmtree_at(i->store->staging_fd, i->name);
	fd_close(&i->control_fd);
	fd_close(&i->output_fd);
	fd_close(&i->dir_fd);
	fd_close(&i->timer_fd);
	fd_close(&i->epoll_fd);
	free(i);
}
