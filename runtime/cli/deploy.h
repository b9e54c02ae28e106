/* SPDX-License-Identifier: Apache-2.0 */
/* Brings a file of services to the server: reads and checks the file, builds images, puts the
 * services, waits for them, removes them. */
#ifndef EBB_CLI_DEPLOY_H
#define EBB_CLI_DEPLOY_H

#include "runtime/base/json.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/spec.h"

struct deployment {
	const char *file; /* for messages, and the directory that roots are relative to */
	struct spec *spec;
	bool is_file; /* and no service that came as options */
	bool strict;  /* set before reading: a file with unsupported parts is refused */
};

/* Each returns an exit code and prints its errors; on CLI_DONE *out is the caller's to
 * deployment_fini. */
int deployment_read(const char *file, struct deployment *out);
/* Messages name `what`: a file, or a service that came as options. */
int deployment_parse(const char *what, const char *text, size_t size, struct deployment *out);
void deployment_fini(struct deployment *d);
/* deploy_place.c. The directory of the sources: `root`, relative to the directory of the file that
 * names it. -EXDEV if it is not inside: the author of a file must not choose which other files of
 * the caller go into an image. */
int deployment_sources(const struct deployment *d, const char *root, char *buf, size_t size);
/* The directory of a service: its root, and in it the files that a build left, unless a program
 * serves. 0, or -errno: -EXDEV if it leads out of the directory of the file. */
int deployment_directory(const struct deployment *d, const struct spec_service *service, char *buf,
			 size_t size);

struct deploy_how {
	bool wait, dry_run;
	bool prebuilt;    /* no command of the file is run; files of earlier runs are taken */
	bool preview;     /* not promoted: it has a name of its own, and nothing else changes */
	size_t jobs;      /* builds at once; 0: as many as CPUs */
	const char *id;   /* or NULL: a number */
	const bool *kept; /* by number: services whose image in the store is new enough; or NULL */
	struct json_out *answers; /* gets each service as the server answered it; or NULL */
};

/* Builds the images of services with sources and puts every service. Ends at the first failure. */
int deployment_apply(const struct call *call, const struct deployment *d,
		     const struct deploy_how *how);
/* The same; with --json the answers of the server are printed as one document at the end. */
int deployment_apply_shown(const struct call *call, const struct deployment *d,
			   const struct deploy_how *how);
/* Removes every service; a service that is gone already is no error. Goes on after a failure. */
int deployment_remove(const struct call *call, const struct deployment *d);

/* verb_deployments.c. Whether the site has deployments. Returns an exit code. */
int deployments_there(const struct call *call, const char *site, bool *there);
/* Switches to a deployment; id NULL: to the one before the current one. Returns an exit code. */
int deployment_promote(const struct call *call, const char *site, const char *id);

/* Waits, up to two minutes, until the server says that the service is ready. Adds the service to
 * answers, unless that is NULL. Returns an exit code, after having printed the error. */
int service_wait(const struct call *call, const char *name, struct json_out *answers);
/* Prints the last lines of the log of a service, because they most often tell the cause. */
void service_last_lines(const struct call *call, const char *name);

#endif
