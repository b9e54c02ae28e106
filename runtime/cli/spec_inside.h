/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the reader of a file, for spec*.c. */
#ifndef EBB_CLI_SPEC_INSIDE_H
#define EBB_CLI_SPEC_INSIDE_H

#include "runtime/cli/spec.h"

/* Checks what concerns several services, and the rules of the site; fills what depends on them. */
void spec_check_file(struct spec *spec, struct report *report);

#endif
