/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of an import; only images/import*.c include it.
 *
 * import.c is the machine of stages; import_words.c takes the records of the children;
 * import_pieces.c has the staging directories, the way into the store and the children of a piece;
 * import_watch.c has the functions that all of them need.
 */
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

/* The reports about the layer (or the documents) under way; each of the three processes
 * sends one. */
struct layer_fate {
	bool flowed, hashed, applied; /* whether READ, HASH, APPLY have reported, good or bad */
	struct wire_unpack_done read, apply;
	struct wire_unpack_digest digest;
};

struct image_import {
	struct image_store *store;
	enum import_stage stage;
	uint32_t format; /* enum wire_image_format */
	struct worker workers[WORKER_COUNT];
	struct loop *loop;  /* of its children alone; the caller watches its descriptor */
	struct timer limit; /* the time limit of the present stage or layer */
	bool late;          /* that time is over */
	int dir_fd;         /* the staging directory of this import */
	bool described, naming, named, user_known;
	uint32_t layer;                /* LAYERS, MKFS: the layer under way */
	bool wanted[IMAGE_LAYERS_MAX]; /* layers that are new to the store */
	uint64_t tar_bytes[IMAGE_LAYERS_MAX];
	uint64_t claimed, entries; /* used so far of the limits bytes_max and entries_max */
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
/* Starts to watch fd for reading; fd is borrowed. 0 or -errno. */
int import_watch(struct image_import *i, struct watch *w, int fd);
/* Ends the watch w, and closes *fd. */
void import_forget(struct image_import *i, struct watch *w, int *fd);
/* Makes a new memfd for the output of the next child. 0 or -errno. */
int import_renew_output(struct worker *w);

/* ---- import_words.c ---- */

/* Takes the records that all children have sent by now. */
void import_read_words(struct image_import *i);
/* Starts an ebb-unpack in this role with these descriptors (borrowed). */
struct jail_root;
int import_spawn(struct image_import *i, enum import_worker which, struct wire_unpack_job *job,
		 const int *fds, unsigned int fd_count, int dir_fd, const struct jail_root *root);
/* The result of the layer under way: 1 when all three children have reported and all is good, 0
 * while reports are missing, or -errno with the fault noted. */
int import_judge_layer(struct image_import *i);
/* The same for the documents. When all is good, HASH is asked for the names of the layers. */
int import_judge_documents(struct image_import *i);

/* ---- import_pieces.c ---- */

/* Chooses the layers that the store has not, by the keys that HASH sent. */
void import_choose(struct image_import *i);
/* Begins DESCRIBE: the documents flow. 0 or -errno. */
int import_begin_describe(struct image_import *i);
/* Each begins the next wanted layer of LAYERS, the stage USER, the next wanted layer of MKFS. 0
 * when a child runs, 1 when nothing is left to do, or -errno. */
int import_begin_layer(struct image_import *i);
int import_begin_user(struct image_import *i);
int import_begin_mkfs(struct image_import *i);
/* Moves the new pieces into the store. 0, or -errno with the fault noted. */
int import_publish(struct image_import *i);

#endif
