// SPDX-License-Identifier: Apache-2.0
/*
 * Settings of running gateways change. Listeners are opened before anything is changed, because
 * that may fail; the next steps cannot. A listener that stays is the same socket: clients in its
 * queue notice nothing.
 */
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/host/inherited.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/peers/gateways_inside.h"

int gateways_listener(const struct gateways *g, const char *address, struct fault *f)
{
	int fd = inherited_listener(g->options.host->inherited, address);

	return fd >= 0 ? fd : listener_tcp(address, g->options.listener_owner, f);
}

static bool holds(const int *fds, int fd)
{
	for (uint32_t k = 0; k < LISTENERS_MAX; k++)
		if (fds[k] == fd)
			return true;
	return false;
}

/* The socket that this gateway has for the address, or -1. */
static int present(const struct gateway *g, const struct config *now, const char *address)
{
	for (uint32_t k = 0; k < now->listener_count; k++)
		if (strcmp(now->listeners[k], address) == 0)
			return g->listener_fds[k];
	return -1;
}

/* Closes those of fds that are not among the others, and forgets all. */
static void close_but(int *fds, const int *others)
{
	for (uint32_t k = 0; k < LISTENERS_MAX; k++) {
		if (fds[k] >= 0 && !holds(others, fds[k]))
			fd_close(&fds[k]);
		fds[k] = -1;
	}
}

static int prepare_one(struct gateway *g, const struct config *next, struct fault *f)
{
	for (uint32_t k = 0; k < next->listener_count; k++) {
		int fd = present(g, g->all->options.host->config, next->listeners[k]);

		if (fd < 0)
			fd = gateways_listener(g->all, next->listeners[k], f);
		if (fd < 0)
			return fd;
		g->next_fds[k] = fd;
	}
	return 0;
}

static void forget(struct gateways *g)
{
	for (uint32_t n = 0; n < g->count; n++)
		close_but(g->gateway[n].next_fds, g->gateway[n].listener_fds);
}

int gateways_prepare(struct gateways *g, const struct config *next, struct fault *f)
{
	int r = 0;

	for (uint32_t n = 0; r == 0 && n < g->count; n++)
		r = prepare_one(&g->gateway[n], next, f);
	if (r < 0)
		forget(g);
	return r;
}

void gateways_change(struct gateways *g, bool listeners)
{
	must(!g->stopping);
	for (uint32_t n = 0; n < g->count; n++) {
		struct gateway *one = &g->gateway[n];

		close_but(one->listener_fds, one->next_fds);
		memcpy(one->listener_fds, one->next_fds, sizeof(one->listener_fds));
		memset(one->next_fds, 0xff, sizeof(one->next_fds)); /* -1 each */
		gateway_send_change(one, listeners);
	}
}
