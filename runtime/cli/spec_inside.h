/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the reader of a file, for spec*.c. */
#ifndef EBB_CLI_SPEC_INSIDE_H
#define EBB_CLI_SPEC_INSIDE_H

#include "runtime/cli/spec.h"

/* Checks what concerns several services, and the rules of the site; fills what depends on them. */
void spec_check_file(struct spec *spec, struct report *report);

/* Checks a key of a build or a deployment (use: enum key_use), and which service it belongs to:
 * spec_build.c. */
void spec_check_build(struct report *report, const char *path, int use, const struct json *value);
void spec_check_commands(const struct spec *spec, struct report *report);

/* Whether each cron and schedule outside of the services belongs to one: spec_crons.c. */
void spec_check_crons(const struct spec *spec, struct report *report);
/* Writes crons or schedules (key) of a service: its own, and those of the file for it. */
void spec_write_crons(const struct spec_service *service, const char *key, struct json_out *out);

struct setting;

/* Checks one value by its row of the table of settings. */
typedef void spec_check(struct report *report, const char *path, const struct setting *setting,
			const struct json *value);

/* Checks functions of a service, each of its settings by check, and says which values count
 * (spec_functions.c). */
void spec_check_functions(struct report *report, const char *path, const struct json *functions,
			  spec_check *check);
/* The largest value of a setting among functions, and the file that has it, or NULL: the service
 * has it for all its files. */
const struct json *spec_of_functions(const struct json *functions, const struct setting *s,
				     const char **file);

/* Whether each trigger of a function has a path or its file tells one (spec_triggers.c). path: of
 * the list, for the report. */
void spec_check_triggers(const char *file, const struct json *triggers, const char *path,
			 struct report *report);
/* Writes experimentalTriggers of a service: its own, and those of its functions. */
void spec_write_triggers(const struct spec_service *service, struct json_out *out);

#endif
