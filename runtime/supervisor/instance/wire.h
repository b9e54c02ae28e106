/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of instances. A sandbox of the right kind is wired while it is armed; the rules of
 * its instance are in force before its program starts.
 */
#ifndef EBB_SUPERVISOR_WIRE_H
#define EBB_SUPERVISOR_WIRE_H

#include <stdint.h>

#include "runtime/wire/records.h"

struct ground;
struct instance;

/* For the armory: make and drop the wire of a sandbox. 0, -EHOSTDOWN without ebb-net, or -errno. */
int wire_sandbox(struct ground *g, uint32_t range, int net_ns_fd);
void unwire_sandbox(struct ground *g, uint32_t range);

/* An armed instance that has a network: it waits (0), or its fault says why not (-errno). */
int wire_ask(struct instance *i);
/* An instance is gone, and its wire with it. Nothing happens if it has no network. */
void wire_drop(struct instance *i);

#endif
