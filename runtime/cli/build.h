/* SPDX-License-Identifier: Apache-2.0 */
/* Makes an image of a function's directory, with the builder script ebb-build, and uploads it. */
#ifndef EBB_CLI_BUILD_H
#define EBB_CLI_BUILD_H

#include "runtime/cli/cli.h"
#include "runtime/cli/commands.h"

struct build {
	const char *directory;  /* of the sources */
	const char *name;       /* of the image */
	const char *runtime;    /* or NULL: guessed */
	const char *entrypoint; /* or NULL: guessed */
	const char *framework;  /* that builds the directory first: "nextjs"; or NULL */
	const char *dockerfile; /* NULL: none; set by build_image */
	const char *output;     /* or NULL: uploaded */
	const char
		*clean_urls; /* of static files: "0", "1", or NULL when the file does not say it */
	const char *trailing_slash;
	const struct commands *commands; /* that the file has for its build; or NULL */
	bool prebuilt;                   /* the directory is what such a build left */
	bool take;   /* a build output in it is taken, unless its files say what runs it */
	bool strict; /* refuse parts that ebb does not support */
	bool show;   /* name and digest of the image on standard output */
};

/* Builds, uploads and cleans up; reports its steps on stderr. Returns an exit code, after having
 * printed the error. */
int build_image(const struct call *call, const struct build *build);

/* Imports a source (upload.h) as image `name` (NULL: named after its file). show: prints name and
 * digest on standard output. Returns an exit code, after having printed the error. */
int image_upload(const struct call *call, const char *source, const char *name, bool show);

/* Writes an image of the store as an oci-archive to a file. Returns an exit code, after having
 * printed the error. */
int image_save(const struct call *call, const char *name, const char *path);

#endif
