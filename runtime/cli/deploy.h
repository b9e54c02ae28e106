/* SPDX-License-Identifier: Apache-2.0 */
/* A file of services, made so on the server: read and checked, built, put, waited for, removed. */
#ifndef EBB_CLI_DEPLOY_H
#define EBB_CLI_DEPLOY_H

#include "runtime/base/json.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/spec.h"

struct deployment {
	const char *file; /* for messages, and the directory that roots are relative to */
	struct spec *spec;
};

/* Each returns an exit code and has said what is wrong. */
int deployment_read(const char *file, struct deployment *out);
/* Messages name `what`: a file, or a service that came as options. */
int deployment_parse(const char *what, const char *text, size_t size, struct deployment *out);
void deployment_fini(struct deployment *d);

struct deploy_how {
	bool wait, dry_run;
	struct json_out *answers; /* the services as the server sees them are added; or NULL */
};

/* Builds what has sources and puts every service; the first failure ends it. */
int deployment_apply(const struct call *call, const struct deployment *d,
		     const struct deploy_how *how);
/* The same; with --json what the server answered is printed as one document when all are put. */
int deployment_apply_shown(const struct call *call, const struct deployment *d,
			   const struct deploy_how *how);
/* Removes every service; one that is gone already is fine. Goes on after a failure. */
int deployment_remove(const struct call *call, const struct deployment *d);

/* Waits, up to two minutes, until the server says that it is ready; adds it to answers (or NULL).
 */
int service_wait(const struct call *call, const char *name, struct json_out *answers);

#endif
