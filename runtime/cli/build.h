/* SPDX-License-Identifier: Apache-2.0 */
/* Function directory -> image in the store, by the builder script ebb-build. */
#ifndef EBB_CLI_BUILD_H
#define EBB_CLI_BUILD_H

#include "runtime/cli/cli.h"

struct build {
	const char *directory;  /* of the sources */
	const char *name;       /* of the image */
	const char *runtime;    /* or NULL: guessed */
	const char *entrypoint; /* or NULL: guessed */
	const char *output;     /* or NULL: uploaded */
	bool show;              /* name and digest of the image on standard output */
};

/* Builds, uploads, cleans up; says what it does on stderr. An exit code. */
int build_image(const struct call *call, const struct build *build);

/* Imports a source as image `name` (NULL: named after its file). show: prints name and digest. */
int image_upload(const struct call *call, const char *source, const char *name, bool show);

#endif
