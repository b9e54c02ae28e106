/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of an import; only images/import*.c include it.
 *
 * import.c is the machine; import_words.c takes what its children say; import_pieces.c has the
 * directories, the way into the store and the children of one piece. */
#ifndef EBB_IMAGES_IMPORT_H
#define EBB_IMAGES_IMPORT_H

#include "images/store.h"
#include "runtime/base/loop.h"
#include "runtime/wire/unpack_records.h"

/* clang-format off */
#define IMPORT_STAGES(X) X(DESCRIBE) X(LAYERS) X(USER) X(MKFS) X(SYNC) X(CLEAN) X(END)
/* clang-format on */
#define X(name) STAGE_##name,
enum import_stage { IMPORT_STAGES(X) STAGE_COUNT };
#undef X

/* READ and HASH live from the start to the last layer; HERE is the child of the present stage. */
enum import_worker { WORKER_READ, WORKER_HASH, WORKER_HERE, WORKER_COUNT };

struct worker {
	int pid_fd;     /* or -1 */
	int control_fd; /* or -1 */
	int output_fd;  /* memfd: its stdout and stderr, or -1 */
	struct watch pid, control;
};

/* Facts about the layer (or the documents) under way; each of its three processes says one of
 * them. */
struct layer_fate {
	bool flowed, hashed, applied; /* said, whatever it was */
	struct wire_unpack_done read, apply;
	struct wire_unpack_digest digest;
};

struct image_import {
	struct image_store *store;
	enum import_stage stage;
	uint32_t format; /* enum wire_image_format */
	struct worker workers[WORKER_COUNT];
	struct loop *loop;  /* of its children alone; the caller watches it */
	struct timer limit; /* the time of what is under way */
	bool late;          /* it is over */
	int dir_fd;         /* staging directory itself */
	bool described, naming, named, user_known;
	uint32_t layer;                /* LAYERS, MKFS: the one under way */
	bool wanted[IMAGE_LAYERS_MAX]; /* new to the store */
	uint64_t tar_bytes[IMAGE_LAYERS_MAX];
	uint64_t claimed, entries; /* used of the limits */
	struct layer_fate fate;
	struct wire_unpack_image image;
	char name[24];   /* of the staging directory */
	char death[320]; /* image_import_death */
	struct wire_image_done done;
};

/* ---- import_watch.c ---- */

/* The import fails for this cause; an earlier cause stays. Returns err. */
int import_fault(struct image_import *i, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Starts to watch a descriptor, which stays its owner's. 0 or -errno. */
int import_watch(struct image_import *i, struct watch *w, int fd);
/* Ends that, and closes it. */
void import_forget(struct image_import *i, struct watch *w, int *fd);
/* A fresh place for the next child's words. */
int import_renew_output(struct worker *w);

/* ---- import_words.c ---- */

/* Takes what all of them said by now. */
void import_read_words(struct image_import *i);
/* Starts an ebb-unpack in this role with these descriptors (borrowed). */
struct jail_root;
int import_spawn(struct image_import *i, enum import_worker which, struct wire_unpack_job *job,
		 const int *fds, unsigned int fd_count, int dir_fd, const struct jail_root *root);
/* The result of the layer under way: 1 all said and good, 0 not all said, -errno and the fault. */
int import_judge_layer(struct image_import *i);
/* The same of the documents; then HASH is asked for the names of the layers. */
int import_judge_documents(struct image_import *i);

/* ---- import_pieces.c ---- */

/* Which layers the store has not, by the keys that HASH said. */
void import_choose(struct image_import *i);
/* The documents flow. */
int import_begin_describe(struct image_import *i);
/* The next wanted layer begins: 0, 1 when none is left, -errno. */
int import_begin_layer(struct image_import *i);
int import_begin_user(struct image_import *i);
int import_begin_mkfs(struct image_import *i);
int import_publish(struct image_import *i);

#endif
