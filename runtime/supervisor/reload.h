/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGHUP: ebbd reads its settings again, from the same command line and file. They are checked, and
 * what may fail is done, before anything changes: all of what can change at run time does, or
 * nothing. Settings that wait for the next start are named. Both are told in the log, in an event,
 * and to systemd.
 */
#ifndef EBB_SUPERVISOR_RELOAD_H
#define EBB_SUPERVISOR_RELOAD_H

#include "runtime/supervisor/host/config.h"
#include "runtime/supervisor/host/inherited.h"
#include "runtime/supervisor/peers/apilink.h"

struct reload {
	int argc;
	char **argv;
	struct config asked;   /* as read last, before anything was derived from it */
	struct config *config; /* in force */
	struct inherited inherited;
};

/* The first reading, with the sockets that came along. 0; 1: --help was printed; or -errno with a
 * sentence. config is in force until the end. */
int reload_first(struct reload *r, int argc, char **argv, struct config *config, struct fault *f);
/* Not before all programs run, and not while ebbd stops. */
void reload_settings(struct reload *r, struct gateways *gateways, struct apilink *api,
		     struct fleet *fleet);

#endif
