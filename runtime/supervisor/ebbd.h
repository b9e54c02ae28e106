/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebbd as a whole: its parts, and the steps of its beginning and end. Only the files in this folder
 * see the structure; each room is handed the parts that the room needs.
 */
#ifndef EBB_SUPERVISOR_EBBD_H
#define EBB_SUPERVISOR_EBBD_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/fault.h"
#include "runtime/supervisor/heritage.h"
#include "runtime/supervisor/host/config.h"
#include "runtime/supervisor/host/jumps.h"
#include "runtime/supervisor/peers/apilink.h"
#include "runtime/supervisor/peers/egresslink.h"
#include "runtime/supervisor/peers/flowlink.h"
#include "runtime/supervisor/peers/ticklink.h"
#include "runtime/supervisor/peers/ipclink.h"
#include "runtime/supervisor/programs/program_log.h"
#include "runtime/supervisor/reload.h"
#include "sandbox/sandbox.h"

#define PURGE_MS 10000

/* A question to the binary that stands in the place of this one. */
struct upgrade {
	pid_t pid;             /* of the one that answers; 0: none */
	int said_fd;           /* its version */
	enum wire_upgrade how; /* whether it takes over if it can */
	uint32_t asked;        /* of upgrades_asked, those that the answer answers */
	struct watch answer;
	struct timer deadline;
	struct timer promise; /* armed: it was promised to ebb-api, which has not said GO yet */
};

struct ebbd {
	struct config config;
	struct reload reload;
	struct heritage heritage;
	enum keeper_life life;
	uint64_t boot_us;              /* of the first ebbd of this keeper */
	char binary[CONFIG_PATH_SIZE]; /* its path when it began: another one may stand there now */
	struct upgrade upgrade;
	pid_t keeper;
	char stage_dir[CONFIG_PATH_SIZE + 16], programs_dirs[2][CONFIG_PATH_SIZE + 16];
	struct loop *loop;
	struct program_host host; /* the share of its programs */
	struct board *board;
	int board_fd, lock_fd;
	struct cgroup_tree *tree;
	struct zygote *zygote; /* NULL while none runs */
	struct timer revive;   /* starts the next zygote */
	struct watch newborn;  /* the next zygote says here that it is ready */
	struct services *services;
	struct image_store *images;
	struct fleet *fleet;
	struct gateways *gateways;
	struct ledgerlink *ledger;
	struct flowlink *flow;
	struct apilink *api;
	struct ipclink *ipc;
	struct egresslink *egress;
	struct ticklink *tick;
	struct watch signals;
	struct jumps jumps;        /* of the host's clock */
	struct program_log strays; /* of what ebbd starts beside its programs: unpackers, mkfs */
	bool stopping, gateways_gone, gateways_ready, api_ready, told_ready;
	uint32_t stop_signals; /* each is more impatient */
	int exit_code;
};

/* ---- the steps of the beginning: 0 or -errno, with a sentence ---- */

/* The ground of ebbd itself: open_host.c. */
int ebbd_open_loop(struct ebbd *e, struct fault *f);
int ebbd_move_log(struct ebbd *e, struct fault *f);
int ebbd_hide_log(struct ebbd *e, struct fault *f);
int ebbd_raise_limits(struct ebbd *e, struct fault *f);
int ebbd_make_directories(struct ebbd *e, struct fault *f);
int ebbd_take_lock(struct ebbd *e, struct fault *f);
int ebbd_make_mounts_private(struct ebbd *e, struct fault *f);
int ebbd_keep_programs(struct ebbd *e, struct fault *f);
/* The common ground of every ebbd of this keeper; from ebbd_begin on it is the keeper's child. */
int ebbd_found_heritage(struct ebbd *e, struct fault *f);
int ebbd_begin(struct ebbd *e, struct fault *f);
/* In a keeper that follows and cannot begin: the binary before goes on. Returns if it cannot. */
void ebbd_go_back(struct ebbd *e);
/* The parts that instances are made of: open_parts.c. ebbd_take_heritage first: it ends what the
 * one before left and what is not taken over. */
int ebbd_take_heritage(struct ebbd *e, struct fault *f);
int ebbd_open_tree(struct ebbd *e, struct fault *f); /* empties it, too */
int ebbd_open_zygote(struct ebbd *e, struct fault *f);
int ebbd_open_board(struct ebbd *e, struct fault *f);
int ebbd_open_images(struct ebbd *e, struct fault *f);
/* The fleet, and the programs beside it: open_programs.c. */
int ebbd_open_programs(struct ebbd *e, struct fault *f);
/* signals.c */
int ebbd_open_signals(struct ebbd *e, struct fault *f);
void ebbd_reload(struct ebbd *e); /* SIGHUP */
/* SIGUSR2: upgrade.c */
void ebbd_upgrade(struct ebbd *e);
/* The same by ebb-api, which hears the version or the reason. */
void ebbd_on_upgrade(void *self, enum wire_upgrade how);

/* ---- the zygote: revive.c ---- */

/* Starts a zygote into e->zygote. 0, or -errno with a sentence. */
int ebbd_start_zygote(struct ebbd *e, struct fault *f);
void ebbd_end_zygote(struct ebbd *e);      /* there may be none */
void ebbd_on_starts(void *self, bool can); /* an observer's */

/* ---- words for people ---- */

/* Makes an event of a fault of ebbd itself or of its programs: open_programs.c. */
void ebbd_notice(void *self, uint32_t kind, const char *text);
/* The watchdog's observation: signals.c. */
void ebbd_say_health(const struct ebbd *e);

/* ---- the end, in this order: ending.c ---- */

void ebbd_stop(struct ebbd *e); /* one more signal */
/* Each begins the next step of the end: instances, meters, the ledger, the loop. */
void ebbd_on_gateways_stopped(void *self);
void ebbd_on_emptied(void *self);
void ebbd_on_flushed(void *self, uint64_t cookie, int error);
void ebbd_on_ledger_stopped(void *self);

#endif
