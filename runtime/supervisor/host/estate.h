/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The estate of an ebbd outlives it: one table in memory that the keeper (keeper.h) holds beside
 * it.
 *
 * Descriptors need no carrying: the keeper shares its descriptor table with ebbd, so one that is
 * open stays open under its number when ebbd dies. The table says which of them mean something; a
 * new ebbd closes all others (estate_sweep).
 *
 * A row is written whole into its other half, and one store makes that half the row. So a death at
 * any moment leaves the row as it was or as it was to be, and never a mixture. The order around
 * it is the owner's: a descriptor is open before a row names it, and no row names it when it is
 * closed.
 */
#ifndef EBB_SUPERVISOR_ESTATE_H
#define EBB_SUPERVISOR_ESTATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define ESTATE_KINDS(X) \
	X(SETTINGS)  /* struct reload_row: those in force */ \
	X(FILES)     /* struct estate_file: single descriptors of ebbd */ \
	X(PROGRAMS)  /* struct estate_program: ebb's own programs that run */ \
	X(SPECS)     /* specifications in use: services.c */ \
	X(SERVICES)  /* services in force: services.c */ \
	X(NETWORK)   /* the addresses of instances: egresslink.c */ \
	X(EVENTS)    /* struct wire_event, by number: apilink_tell.c */ \
	X(INSTANCES) /* by slot: deed.c */
/* clang-format on */
#define X(name) ESTATE_##name,
enum estate_kind { ESTATE_KINDS(X) ESTATE_KIND_COUNT };
#undef X

#define ESTATE_NAME_SIZE 112 /* a program, and an address */

/* A descriptor, known again by its inode. */
struct estate_fd {
	int fd; /* -1: none */
	uint64_t inode;
};

struct estate_file {
	char name[ESTATE_NAME_SIZE];
	struct estate_fd file;
};

struct estate_program {
	char name[ESTATE_NAME_SIZE];
	int32_t pid;
	uint32_t phase;   /* as its owner counts */
	uint32_t upgrade; /* it was started after so many */
	struct estate_fd process, control, log;
};

/* Why the binary before goes on. */
enum upgrade_fault {
	UPGRADE_WELL,
	UPGRADE_NOT_RUN,
	UPGRADE_NOT_BEGUN,
	UPGRADE_DIED,
	UPGRADE_HANGS
};

/* Single words; each is written at once. */
struct estate_words {
	_Atomic uint64_t boot_us;   /* wall clock when the first ebbd began */
	_Atomic uint64_t sandboxes; /* made so far: their cgroups' names are used once */
	_Atomic uint64_t meters_given, meters_safe, meters_base; /* numbers; see ledgerlink.c */
	_Atomic uint64_t events_given; /* the number of the last one; 0: none yet */
	_Atomic uint32_t ready;        /* this ebbd came so far that it served */
	_Atomic uint32_t stopping;     /* it ends because it was told to */
	_Atomic uint32_t settled;      /* every service was told to the gateways once */
	_Atomic uint32_t sites;        /* of ebb-api, with rules of their own; see gateways.c */
	_Atomic uint32_t draining;     /* the host takes no new work */
	/* SIGHUPs that came, and how many of them ebbd has answered: a death between loses none. */
	_Atomic uint32_t reloads_asked, reloads_done;
	/* The same of SIGUSR2. upgrade: the keeper is to become the new binary when this ebbd ends.
	 * upgrades: how often it did. */
	_Atomic uint32_t upgrades_asked, upgrades_done;
	_Atomic uint32_t upgrade, upgrades, upgrades_said;
	/* Upgrades that went well and that did not, and why the last one did not. */
	_Atomic uint32_t upgrades_well, upgrades_failed, upgrade_fault; /* enum upgrade_fault */
	_Atomic uint32_t programs_at, programs_before; /* which directory has ebb's programs */
	/* Descriptors that every ebbd has, and the keeper's successor. -1: none. */
	_Atomic int32_t lock_fd, log_fd;
	/* Binaries: the one that is to follow, and the one that goes on if that cannot. */
	_Atomic int32_t next_fd, before_fd;
};

/* The rows of one kind. */
struct estate_rows {
	uint32_t count;
	size_t size; /* of one row */
};

struct estate;

/* meters: bytes for readings that are not in the ledger yet. 0 or -errno. */
int estate_new(const struct estate_rows rows[ESTATE_KIND_COUNT], size_t meters_size,
	       struct estate **out);
/* The one that another process made, which fd (borrowed until estate_free) is. -EPROTO: its build
 * had other rows or records (wire/version.h); or -errno. */
int estate_open(int fd, const struct estate_rows rows[ESTATE_KIND_COUNT], size_t meters_size,
		struct estate **out);
/* The memory as a descriptor: borrowed. */
int estate_memory(const struct estate *e);
void estate_free(struct estate *e); /* NULL is fine */
/* No child of this process has the table: it holds the environment of every service. 0 or -errno.
 */
int estate_hide(struct estate *e);
/* Forgets every row and word, but not the readings. */
void estate_clear_all(struct estate *e);

struct estate_words *estate_words(struct estate *e);
void *estate_meters(struct estate *e);

uint32_t estate_count(const struct estate *e, enum estate_kind kind);
/* The row as it was written last, or NULL. It stays as it is until it is written twice. */
const void *estate_read(const struct estate *e, enum estate_kind kind, uint32_t index);
void estate_write(struct estate *e, enum estate_kind kind, uint32_t index, const void *row);
void estate_clear(struct estate *e, enum estate_kind kind, uint32_t index);
/* The first row of this kind that is free, or -ENOSPC. */
int estate_find_free(const struct estate *e, enum estate_kind kind);

/* fd as it is known again; -1 is none. */
struct estate_fd estate_fd_of(int fd);
/* The number if it is still that descriptor, else -1. */
int estate_fd_get(const struct estate_fd *known);

/* A descriptor under this name (unique): from now on it outlives ebbd. 0 or -ENOSPC. */
int estate_keep_file(struct estate *e, const char *name, int fd);
/* The one that was kept under it, or -1. */
int estate_file(const struct estate *e, const char *name);
/* Before it is closed. One that is not kept is fine. */
void estate_drop_file(struct estate *e, const char *name);
/* The same, by its number. */
void estate_drop_fd(struct estate *e, int fd);
/* Drops and closes those for which wanted says no; fd is -1 if it is not open any more. */
void estate_close_files(struct estate *e, bool (*wanted)(void *self, const char *name, int fd),
			void *self);

void estate_each_file(const struct estate *e, void (*fn)(void *ctx, int fd), void *ctx);

/* A set of descriptors, and the others of this process above 2: they are closed. 0 or -errno. */
struct estate_set {
	uint8_t *bits;
	size_t count;
};
int estate_set_new(struct estate_set *set);
void estate_set_add(void *set, int fd); /* -1 is none */
void estate_set_remove(void *set, int fd);
/* Those that are open now. 0 or -errno. */
int estate_set_open(struct estate_set *set);
int estate_sweep(const struct estate_set *keep);
void estate_set_free(struct estate_set *set);

#endif
