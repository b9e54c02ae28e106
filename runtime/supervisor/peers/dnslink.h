/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ebb-dns under ebbd: answers the questions of instances for names. It has a network namespace of
 * its own and a wire into it, as an instance has; through that it reaches the host's resolvers and
 * nothing else. Its requests to open addresses go through ebbd to ebb-net. When it dies it
 * is started again and told of all instances that may ask; questions wait or fail meanwhile.
 */
#ifndef EBB_SUPERVISOR_DNSLINK_H
#define EBB_SUPERVISOR_DNSLINK_H

#include "runtime/supervisor/host/pool.h"
#include "runtime/supervisor/programs/daemon.h"
#include "runtime/supervisor/scale/fleet.h"

struct dnslink;

/* ebb-net, as ebb-dns needs it: each sends one record; 0, or -EHOSTDOWN while nobody hears it. */
struct dnslink_net {
	void *self;
	int (*arm)(void *self, uint32_t range, int net_ns_fd, int inside_fd);
	int (*open)(void *self, const struct wire_net_open *record);
	void (*drop)(void *self, const struct wire_net_drop *record);
};

/* host and pool are borrowed. 0, or -errno with a sentence. */
int dnslink_new(const struct program_host *host, struct fleet *fleet, const struct pool *pool,
		const struct dnslink_net *net, struct dnslink **out, struct fault *f);
void dnslink_free(struct dnslink *l); /* NULL is fine, here and below */
/* Asks ebb-net for the wire of ebb-dns, unless it is there: a sandbox is being wired. */
void dnslink_wire(struct dnslink *l);
/* ebb-net is gone; a new one serves. */
void dnslink_net_lost(struct dnslink *l);
void dnslink_net_back(struct dnslink *l);
/* Instances that an earlier ebbd left have wires: tells ebb-dns of them. */
void dnslink_resume(struct dnslink *l);
/* An instance is about to start, or is gone. */
void dnslink_assign(struct dnslink *l, const struct wire_net_assign *assign);
void dnslink_drop(struct dnslink *l, uint32_t range);
/* Answers of ebb-net. */
void dnslink_wired(struct dnslink *l, int err, const char *why);
void dnslink_opened(struct dnslink *l, const struct wire_net_opened *opened);

#endif
