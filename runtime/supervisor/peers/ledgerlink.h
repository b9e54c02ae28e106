/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters on their way to the ledger. ebbd keeps each until the ledger says that it would survive a
 * power cut, and sends it again to a new ledger process. When too many wait, new work is refused,
 * not given away.
 */
#ifndef EBB_SUPERVISOR_LEDGERLINK_H
#define EBB_SUPERVISOR_LEDGERLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/supervisor/instance/observer.h"
#include "runtime/supervisor/programs/daemon.h"
#include "runtime/wire/records.h"

struct ledgerlink;

/* The cookie of ebbd's own flush at its end: nobody else may use it. */
#define LEDGER_FLUSH_OWN UINT64_MAX

struct ledgerlink_options {
	const struct program_host *host; /* borrowed */
	uint64_t boot_us;
	void *self;
	void (*on_flushed)(void *self, uint64_t cookie, int error); /* see ledgerlink_flush */
	void (*on_stopped)(void *self);
	/* The ledger keeps up with the meters, or no more. */
	void (*on_keeping_up)(void *self, bool keeps_up);
	/* The other end of a new channel for the API; the callee keeps or closes it. */
	void (*on_channel)(void *self, int api_end_fd);
};

/* Of the readings that wait, in the estate. */
#define LEDGERLINK_WAITING_MAX   65536
#define LEDGERLINK_WAITING_BYTES (LEDGERLINK_WAITING_MAX * sizeof(struct wire_meter))

/* Starts the ledger. 0, or -errno with a sentence. */
int ledgerlink_new(const struct ledgerlink_options *options, struct ledgerlink **out,
		   struct fault *f);
void ledgerlink_free(struct ledgerlink *l);
/* It hears every reading of a meter, and does not keep up while too much waits for the ledger. */
struct observer ledgerlink_observer(struct ledgerlink *l);
/* on_flushed(cookie) once everything sent so far is safe. */
void ledgerlink_flush(struct ledgerlink *l, uint64_t cookie);
/* Makes a new channel between the ledger and a new API process (on_channel). Nobody gets the
 * answers to the last process's questions, and cookies begin again. */
void ledgerlink_channel(struct ledgerlink *l);
/* Ends the ledger; call when everything is flushed. */
void ledgerlink_stop(struct ledgerlink *l);

#endif
