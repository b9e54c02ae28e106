/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGHUP: ebbd reads its settings again, from the same command line and file. It checks them, and
 * does all that may fail, before anything changes: either all settings that can change at run time
 * do, or none does. Settings that wait for the next start are named. The log and an event tell the
 * result; systemd hears that ebbd reloads, and then that it is ready (sd_notify(3)).
 */
#ifndef EBB_SUPERVISOR_RELOAD_H
#define EBB_SUPERVISOR_RELOAD_H

#include "runtime/supervisor/host/config.h"
#include "runtime/supervisor/host/estate.h"
#include "runtime/supervisor/host/inherited.h"
#include "runtime/supervisor/peers/apilink.h"

struct reload {
	int argc;
	char **argv;
	struct config asked;   /* as read last, before anything was derived from it */
	struct config *config; /* in force */
	struct inherited inherited;
	struct estate *estate; /* for the next ebbd */
};

/* The row of the settings in the estate. */
struct reload_row {
	struct config asked, config;
	struct inherited inherited;
};

/* The first reading of the settings, with the sockets that the launcher passed. 0; 1: --help was
 * printed; or -errno with a sentence. config is borrowed, and holds the settings in force until
 * ebbd ends. */
int reload_first(struct reload *r, int argc, char **argv, struct estate *estate,
		 struct config *config, struct fault *f);
/* The same in a binary that follows another one: the settings are those of the estate. */
void reload_follow(struct reload *r, int argc, char **argv, struct estate *estate,
		   struct config *config);
/* Writes the row. */
void reload_note(const struct reload *r);
/* In an ebbd that takes over: the settings are those that the ebbd before had in force. */
void reload_adopt(struct reload *r);
/* In an ebbd that begins afresh: reads the settings as a start does; bad ones change nothing. */
void reload_afresh(struct reload *r);
/* Reads the settings again. Not to be called before all programs run, nor while ebbd stops. */
void reload_settings(struct reload *r, struct gateways *gateways, struct apilink *api,
		     struct fleet *fleet);

#endif
