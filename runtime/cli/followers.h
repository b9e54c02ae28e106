/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logs of all services of a file, printed on standard output while a verb stays (up --attach,
 * dev). A stream that ends is opened again, behind the last line that was printed.
 */
#ifndef EBB_CLI_FOLLOWERS_H
#define EBB_CLI_FOLLOWERS_H

#include <poll.h>

#include "runtime/cli/cli.h"
#include "runtime/cli/spec.h"

#define FOLLOWERS_MAX 256

struct followers;

/* NULL without memory. The call is borrowed. */
struct followers *followers_new(const struct call *call);
void followers_free(struct followers *f); /* NULL is fine */

/* Follows each service of the file, and no other. Those that are followed already go on, so no line
 * is printed twice. Returns an exit code. */
int followers_set(struct followers *f, const struct spec *spec);
/* Opens streams that are not open. Returns the timeout for poll(2) in ms: until the next try, or
 * -1. */
int followers_open(struct followers *f);
/* Fills up to FOLLOWERS_MAX entries for poll(2), and returns how many. */
size_t followers_waits(const struct followers *f, struct pollfd *waits);
/* Prints what has come; waits as followers_waits filled it. */
void followers_take(struct followers *f, const struct pollfd *waits);
/* Prints what has come on every stream. */
void followers_drain(struct followers *f);
/* Since when no server has answered: CLOCK_MONOTONIC in ns; 0: one answers. */
uint64_t followers_away_since_ns(const struct followers *f);

#endif
