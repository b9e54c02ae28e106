/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses ebb.json, checks it against the table of settings, and makes the body of a request to the
 * API from each service. All wrong values are reported at once, each with path, value and allowed
 * range; an unknown key is a warning only.
 */
#ifndef EBB_CLI_SPEC_H
#define EBB_CLI_SPEC_H

#include "runtime/base/json.h"
#include "runtime/cli/report.h"

#define SPEC_SERVICES_MAX 1024

struct rules_table;
struct spec;
struct spec_service {
	const char *name;
	const struct json *value;
	bool files;              /* its runtime was guessed to be static */
	bool workflows;          /* its directory has workflows (guess.h) */
	bool implied;            /* value is the whole file */
	const char *image;       /* that it is deployed from, once it is built */
	const struct spec *spec; /* the file that has it */
	bool hidden; /* rewrites lead to other services, and none to it: only bindings reach it */
};

#define SPEC_NAME_SIZE 64

struct spec {
	char name[SPEC_NAME_SIZE]; /* of its site; "" until it is known (spec_name) */
	bool files;                /* its runtime was guessed to be static */
	bool implied;              /* the file names no services: it is one itself */
	struct json *document;     /* owned; services point into it */
	struct rules_table *rules; /* owned; NULL: it has none that can be compiled */
	size_t count;
	struct spec_service services[SPEC_SERVICES_MAX];
};

/* 0 and *out (spec_free it), -EINVAL with at least one error in report, or -ENOMEM. report may hold
 * warnings in any case. */
int spec_parse(const char *text, size_t size, struct report *report, struct spec **out);
void spec_free(struct spec *spec); /* NULL is fine */

/* Names the site, and the service of a file that names none, after a directory, unless the file
 * says a name. */
void spec_name(struct spec *spec, const char *directory);
/* A string member of a service (root, runtime, entrypoint), or NULL. */
const char *spec_string(const struct spec_service *service, const char *key);
/* A member that is true or false, as "1" or "0"; NULL if it is not there. */
const char *spec_flag(const struct spec_service *service, const char *key);
/* skewProtection as a whole number of seconds. 0 or -EINVAL; *out only on success. */
int spec_age(const struct json *value, int64_t *out_seconds);
/* Writes the body of PUT /v1/services/NAME: the image and every setting that was given. key: of the
 * object in another one, or NULL. */
void spec_body(const struct spec_service *service, const char *image, const char *key,
	       struct json_out *out);

#endif
