/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a service about its own build: buildCommand, installCommand, outputDirectory,
 * framework, and `build.env` of the file. */
#ifndef EBB_CLI_COMMANDS_H
#define EBB_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/cli/spec.h"

/* Strings belong to the file. */
struct commands {
	const char *build;      /* or NULL: only packages are installed */
	const char *install;    /* or NULL: as npm does it; "": nothing is installed */
	const char *output;     /* the directory of files that the build leaves; NULL: a program */
	const struct json *env; /* of the build; or NULL */
};

/* Whether the service has commands that its build runs. Fills *out only then. */
bool commands_of(const struct spec_service *service, struct commands *out);
/* Writes the document that ebb-build takes. Returns -ENAMETOOLONG if it does not fit. */
int commands_write(const struct commands *commands, char *buf, size_t size);

#endif
