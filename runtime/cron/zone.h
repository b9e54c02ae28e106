/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A time zone out of a file of the time zone database (tzfile(5), RFC 8536). The bytes are foreign.
 * Pure; a zone that is NULL is UTC.
 */
#ifndef EBB_CRON_ZONE_H
#define EBB_CRON_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONE_BYTES_MAX 8192 /* of a file; the largest of the database has 3.6 KB */
#define ZONE_NAME_SIZE 64

struct zone;

/* 0 and *out, -EINVAL: it is no such file, -ENOMEM. */
int zone_parse(const void *bytes, size_t size, struct zone **out);
void zone_free(struct zone *z); /* NULL is fine */
/* Seconds east of UTC at a moment (seconds since the epoch). */
int32_t zone_offset(const struct zone *z, int64_t at);
/* The next moment behind `at` from which another offset may hold; INT64_MAX: there is none. */
int64_t zone_next_change(const struct zone *z, int64_t at);
/* Whether a name can be one of the database, and so a path below its directory: no "..", no "/" in
 * front. */
bool zone_name_valid(const char *name);

#endif
