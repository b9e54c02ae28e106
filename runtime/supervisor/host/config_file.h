/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of settings: lines "key = value" and "# comment". A file that is not whole text (a
 * directory, a pipe, a NUL, a line or a file that is too long) is refused as a whole, because a
 * part of it might turn settings back to their defaults.
 */
#ifndef EBB_SUPERVISOR_CONFIG_FILE_H
#define EBB_SUPERVISOR_CONFIG_FILE_H

#include "runtime/base/fault.h"

/* Calls set for each line, in order, until one fails. 0, or -errno with a fault that names the file
 * and the line. */
int config_file_read(const char *path,
		     int (*set)(void *self, const char *key, const char *value, struct fault *f),
		     void *self, struct fault *f);

#endif
