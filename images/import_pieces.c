// SPDX-License-Identifier: Apache-2.0
/*
 * The pieces of an import. Each has a directory of its own in staging, and the children of a piece
 * see no other directory. A piece has the name of the chain of layers up to its own, so a child
 * that was taken over by those layers can spoil only a piece of that name.
 */
#include "images/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "images/jail.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/channel.h"

#define TREE "tree"

static void piece_hex(const struct image_import *i, uint32_t layer, char hex[LAYER_NAME_SIZE])
{
	text_hex(hex, i->done.layers[layer], DIGEST_SIZE);
}

static int open_piece(const struct image_import *i, uint32_t layer, const char *sub, int *out_fd)
{
	char path[32];
	int fd;

	must(layer < IMAGE_LAYERS_MAX && i->dir_fd >= 0);
	(void)text_format(path, sizeof(path), "%" PRIu32 "%s", layer, sub);
	fd = openat(i->dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*out_fd = fd;
	return 0;
}

void import_choose(struct image_import *i)
{
	for (uint32_t n = 0; n < i->done.layer_count; n++) {
		char hex[LAYER_NAME_SIZE];

		piece_hex(i, n, hex);
		i->wanted[n] = !store_has_piece(i->store, hex, &i->tar_bytes[n]);
		if (i->wanted[n])
			continue;
		i->done.bytes += i->tar_bytes[n];
		i->claimed += i->tar_bytes[n];
	}
}

/* ---- the layers below ---- */

struct lower {
	int fds[IMAGE_LAYERS_MAX];
	size_t count;
};

static void lower_close(struct lower *l)
{
	for (size_t n = 0; n < l->count; n++)
		fd_close(&l->fds[n]);
	l->count = 0;
}

/* Opens the pieces of the lowest `layers` layers, the highest of them first. */
static int lower_open(struct image_import *i, uint32_t layers, struct lower *l)
{
	must(layers <= i->done.layer_count && layers <= ARRAY_LEN(l->fds));
	for (l->count = 0; l->count < layers; l->count++) {
		uint32_t layer = layers - 1 - (uint32_t)l->count;
		int fd = -1, r;

		if (i->wanted[layer])
			r = open_piece(i, layer, "/" TREE, &fd);
		else
			r = fd = image_layer_open(i->store, i->done.layers[layer]);
		if (r < 0) {
			lower_close(l);
			return r;
		}
		l->fds[l->count] = fd;
	}
	return 0;
}

/* ---- LAYERS ---- */

/* An overlay shows the root directory of its highest layer, which is the new one. So the new root
 * gets the attributes of the layer below, until the tar of the layer says otherwise. */
static int inherit_root(int tree_fd, const struct lower *below)
{
	struct timespec times[2];
	struct stat st;

	if (below->count == 0)
		return 0;
	if (fstat(below->fds[0], &st) < 0 || fchown(tree_fd, st.st_uid, st.st_gid) < 0 ||
	    fchmod(tree_fd, st.st_mode & 07777) < 0)
		return -errno;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return futimens(tree_fd, times) < 0 ? -errno : 0;
}

static int make_piece(struct image_import *i, const struct lower *below, int *piece_fd,
		      int *tree_fd)
{
	char name[16];
	int r;

	(void)text_format(name, sizeof(name), "%" PRIu32, i->layer);
	if (mkdirat(i->dir_fd, name, 0700) < 0)
		return -errno;
	r = open_piece(i, i->layer, "", piece_fd);
	if (r == 0 && (mkdirat(*piece_fd, TREE, 0755) < 0 || mkdirat(*piece_fd, "work", 0700) < 0))
		r = -errno;
	if (r == 0)
		r = open_piece(i, i->layer, "/" TREE, tree_fd);
	return r < 0 ? r : inherit_root(*tree_fd, below);
}

static int spawn_apply(struct image_import *i, int tar_fd, const struct lower *below)
{
	struct wire_unpack_job job = {
		.role = WIRE_UNPACK_APPLY,
		.layer = i->layer,
		.promised = i->format != WIRE_IMAGE_ROOTFS_TAR,
		.bytes_used = i->claimed,
		.entries_used = i->entries,
	};
	SCOPED_FD piece_fd = -1;
	SCOPED_FD tree_fd = -1;
	struct jail_root root = {
		.lower_fds = below->fds,
		.lower_count = below->count,
		.id_base = i->store->id_base,
	};
	int r = make_piece(i, below, &piece_fd, &tree_fd);

	if (r < 0)
		return r;
	root.piece_fd = piece_fd;
	return import_spawn(i, WORKER_HERE, &job, &tar_fd, 1, tree_fd,
			    below->count > 0 ? &root : NULL);
}

/* The pipes from READ to HASH (raw) and from HASH to APPLY or DESCRIBE (tar). */
struct pipeline {
	int raw_in, raw_out, tar_in, tar_out;
	int beside_in, beside_out; /* from READ to DESCRIBE, for the second document; or -1 */
};

/* Closes this process's ends, so that each child sees the end of the child before it. */
static void pipeline_close(struct pipeline *p)
{
	fd_close(&p->raw_in);
	fd_close(&p->raw_out);
	fd_close(&p->tar_in);
	fd_close(&p->tar_out);
	fd_close(&p->beside_in);
	fd_close(&p->beside_out);
}

static int make_pipe(int *in, int *out)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*out = ends[0];
	*in = ends[1];
	return 0;
}

/* Asks a child for a layer. A child that has ended is no error here: its end is handled
 * by itself. */
static int wish(const struct image_import *i, enum import_worker which, uint32_t layer,
		const int *fds, unsigned int fd_count)
{
	const struct wire_unpack_flow flow = {.layer = layer};
	int r = wire_send(i->workers[which].control_fd, WIRE_UNPACK_FLOW, &flow, sizeof(flow), fds,
			  fd_count);

	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

/* Lets READ and HASH begin; the last child of the pipeline gets tar_out (and beside_out). */
static int connect(struct image_import *i, uint32_t layer, struct pipeline *p)
{
	bool documents = layer == WIRE_UNPACK_DOCUMENTS;
	int r;

	must(documents || (layer < i->done.layer_count && i->wanted[layer]));
	*p = (struct pipeline){-1, -1, -1, -1, -1, -1};
	r = make_pipe(&p->raw_in, &p->raw_out);
	if (r == 0)
		r = make_pipe(&p->tar_in, &p->tar_out);
	if (r == 0 && documents)
		r = make_pipe(&p->beside_in, &p->beside_out);
	if (r == 0)
		r = wish(i, WORKER_READ, layer, (const int[]){p->raw_in, p->beside_in},
			 documents ? 2 : 1);
	if (r == 0)
		r = wish(i, WORKER_HASH, layer, (const int[]){p->raw_out, p->tar_in}, 2);
	i->fate = (struct layer_fate){0};
	return r;
}

int import_begin_describe(struct image_import *i)
{
	struct wire_unpack_job job = {.role = WIRE_UNPACK_DESCRIBE};
	struct pipeline p;
	int r = connect(i, WIRE_UNPACK_DOCUMENTS, &p);

	if (r == 0)
		r = import_spawn(i, WORKER_HERE, &job, (const int[]){p.tar_out, p.beside_out}, 2,
				 -1, NULL);
	pipeline_close(&p);
	return r;
}

int import_begin_layer(struct image_import *i)
{
	struct lower below = {0};
	struct pipeline p;
	int r;

	while (i->layer < i->done.layer_count && !i->wanted[i->layer])
		i->layer++;
	if (i->layer == i->done.layer_count)
		return 1;
	r = lower_open(i, i->layer, &below);
	if (r < 0)
		return import_fault(i, r, "the layers below layer %" PRIu32 ": %s", i->layer + 1,
				    strerror(-r));
	r = connect(i, i->layer, &p);
	if (r == 0)
		r = spawn_apply(i, p.tar_out, &below);
	pipeline_close(&p);
	lower_close(&below);
	return r;
}

/* ---- USER ---- */

int import_begin_user(struct image_import *i)
{
	struct wire_unpack_job job = {.role = WIRE_UNPACK_USER};
	struct lower all = {0};
	struct jail_root root = {.piece_fd = -1, .id_base = i->store->id_base};
	int r;

	if (i->format == WIRE_IMAGE_ROOTFS_TAR)
		return 1;
	i->fate = (struct layer_fate){0};
	memcpy(job.user, i->image.user, sizeof(job.user));
	r = lower_open(i, i->done.layer_count, &all);
	if (r < 0)
		return r;
	root.lower_fds = all.fds;
	root.lower_count = all.count;
	r = import_spawn(i, WORKER_HERE, &job, NULL, 0, -1, &root);
	lower_close(&all);
	return r;
}

/* ---- MKFS ---- */

/* Starts mkfs.erofs for the next wanted layer; 1 when none is left. */
int import_begin_mkfs(struct image_import *i)
{
	struct worker *w = &i->workers[WORKER_HERE];
	SCOPED_FD piece_fd = -1;
	char hex[LAYER_NAME_SIZE], uuid[40];
	int r;

	while (i->layer < i->done.layer_count && !i->wanted[i->layer])
		i->layer++;
	if (i->layer == i->done.layer_count)
		return 1;
	piece_hex(i, i->layer, hex);
	(void)text_format(uuid, sizeof(uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
			  hex + 16, hex + 20);
	r = open_piece(i, i->layer, "", &piece_fd);
	i->layer++;
	if (r == 0)
		r = import_renew_output(w);
	if (r == 0)
		r = store_spawn_mkfs(i->store, piece_fd, TREE, uuid, w->output_fd, &w->pid_fd);
	return r < 0 ? r : import_watch(i, &w->pid, w->pid_fd);
}

/* ---- publishing ---- */

static int note_bytes(int dir_fd, const char *name, uint64_t bytes)
{
	SCOPED_FD fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	/* On a file system that takes no such attribute the size of a layer is unknown
	 * later (0). */
	(void)fsetxattr(fd, BYTES_XATTR, &bytes, sizeof(bytes), 0);
	return 0;
}

static int publish_piece(struct image_import *i, uint32_t layer)
{
	const char *suffix = i->store->erofs ? EROFS_SUFFIX : "";
	char from[48], to[LAYER_NAME_SIZE + sizeof(EROFS_SUFFIX)], hex[LAYER_NAME_SIZE];
	struct stat st;
	int r;

	must(i->wanted[layer]); /* a known layer is never replaced */
	piece_hex(i, layer, hex);
	(void)text_format(from, sizeof(from), "%" PRIu32 "/" TREE "%s", layer, suffix);
	(void)text_format(to, sizeof(to), "%s%s", hex, suffix);
	if (fstatat(i->dir_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (i->store->erofs ? !S_ISREG(st.st_mode) || st.st_nlink != 1 : !S_ISDIR(st.st_mode))
		return -EPROTO;
	r = note_bytes(i->dir_fd, from, i->tar_bytes[layer]);
	if (r < 0)
		return r;
	/* Another import may have been faster with the same layer. */
	if (renameat2(i->dir_fd, from, i->store->pieces_fd, to, RENAME_NOREPLACE) < 0 &&
	    errno != EEXIST)
		return -errno;
	return 0;
}

/* Checks that a layer of the store is still there: it may have been removed meanwhile. */
static int check_known(struct image_import *i, uint32_t layer)
{
	char hex[LAYER_NAME_SIZE];
	uint64_t unused;

	piece_hex(i, layer, hex);
	return store_has_piece(i->store, hex, &unused) ? 0 : -ENOENT;
}

int import_publish(struct image_import *i)
{
	for (uint32_t n = 0; n < i->done.layer_count; n++) {
		int r = i->wanted[n] ? publish_piece(i, n) : check_known(i, n);

		if (r == -ENOENT && !i->wanted[n])
			return import_fault(i, r,
					    "layer %" PRIu32
					    " was removed meanwhile: import the image again",
					    n + 1);
		if (r < 0)
			return import_fault(i, r, "cannot put layer %" PRIu32 " into the store: %s",
					    n + 1, strerror(-r));
	}
	return 0;
}
