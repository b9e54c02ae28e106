/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of instances. A sandbox of the right kind is wired while it is armed; the rules of
 * its instance are in force before its program starts.
 */
#ifndef EBB_SUPERVISOR_WIRE_H
#define EBB_SUPERVISOR_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/records.h"

struct ground;
struct instance;
struct wire_use;

/* For the armory: make and drop the wire of a sandbox. 0, -EHOSTDOWN without ebb-net, or -errno. */
int wire_sandbox(struct ground *g, uint32_t range, int net_ns_fd);
void unwire_sandbox(struct ground *g, uint32_t range);

/* The record for ebb-net about it. */
struct wire_net_assign wire_assignment(const struct instance *i);
/* An armed instance that has a network: it waits (0), or its fault says why not (-errno). */
int wire_ask(struct instance *i);
/* The use of its wire so far. 0 or -errno; never called for one without a network. */
int wire_read(struct instance *i, struct wire_use *out);
/* Adds what is shown of its network; counted: also how many connections are open. */
void wire_show(struct instance *i, bool counted, struct wire_instance_info *out);
/* A socket that lists the sockets inside. The caller owns it; or -errno. */
int wire_sockets(const struct instance *i);
/* An instance is gone, and its wire with it. Nothing happens if it has no network. */
void wire_drop(struct instance *i);

#endif
