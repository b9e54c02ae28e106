// SPDX-License-Identifier: Apache-2.0
/*
 * Settings of running gateways change. Listeners are opened before anything is changed, because
 * that may fail; the next steps cannot. A listener that stays is the same socket: clients in its
 * queue notice nothing.
 */
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/inherited.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/peers/gateways_inside.h"

/* Listeners stand in the estate by gateway and address, as long as they are open here. */
static void name_listener(const struct gateway *g, const char *address, char name[ESTATE_NAME_SIZE])
{
	(void)text_format(name, ESTATE_NAME_SIZE, "%s.listen.%s", g->name, address);
}

static struct estate *estate_of(const struct gateway *g)
{
	return g->all->options.host->estate;
}

static void close_listener(const struct gateway *g, int fd)
{
	estate_drop_fd(estate_of(g), fd);
	fd_close(&fd);
}

int gateways_listener(const struct gateway *g, const char *address, struct fault *f)
{
	const struct gateways_options *o = &g->all->options;
	char name[ESTATE_NAME_SIZE];
	int fd, r;

	name_listener(g, address, name);
	fd = estate_file(estate_of(g), name);
	if (fd >= 0)
		return fd;
	fd = inherited_listener(o->host->inherited, address);
	if (fd < 0)
		fd = listener_tcp(address, o->listener_owner, f);
	if (fd < 0)
		return fd;
	r = estate_keep_file(estate_of(g), name, fd);
	if (r < 0) {
		fd_close(&fd);
		return fault_errno(f, r, "cannot keep the listener on %s", address);
	}
	return fd;
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
static void close_but(const struct gateway *g, int *fds, const int *others)
{
	for (uint32_t k = 0; k < LISTENERS_MAX; k++) {
		if (fds[k] >= 0 && !holds(others, fds[k]))
			close_listener(g, fds[k]);
		fds[k] = -1;
	}
}

void gateways_close_listeners(struct gateway *g)
{
	for (uint32_t k = 0; k < LISTENERS_MAX; k++) {
		if (g->listener_fds[k] >= 0)
			close_listener(g, g->listener_fds[k]);
		g->listener_fds[k] = -1;
	}
}

static bool is_wanted(void *self, const char *name, int fd)
{
	const struct gateway *g = self;
	char prefix[ESTATE_NAME_SIZE];

	name_listener(g, "", prefix);
	return strncmp(name, prefix, strlen(prefix)) != 0 || holds(g->listener_fds, fd);
}

void gateways_close_unnamed(struct gateway *g)
{
	estate_close_files(estate_of(g), is_wanted, g);
}

static int prepare_one(struct gateway *g, const struct config *next, struct fault *f)
{
	for (uint32_t k = 0; k < next->listener_count; k++) {
		int fd = present(g, g->all->options.host->config, next->listeners[k]);

		if (fd < 0)
			fd = gateways_listener(g, next->listeners[k], f);
		if (fd < 0)
			return fd;
		g->next_fds[k] = fd;
	}
	return 0;
}

static void forget(struct gateways *g)
{
	for (uint32_t n = 0; n < g->lanes; n++)
		close_but(&g->gateway[n], g->gateway[n].next_fds, g->gateway[n].listener_fds);
}

int gateways_prepare(struct gateways *g, const struct config *next, struct fault *f)
{
	int r = 0;

	for (uint32_t n = 0; r == 0 && n < g->lanes; n++)
		r = prepare_one(&g->gateway[n], next, f);
	if (r < 0)
		forget(g);
	return r;
}

void gateways_change(struct gateways *g, bool listeners)
{
	must(!g->stopping);
	for (uint32_t n = 0; n < g->lanes; n++) {
		struct gateway *one = &g->gateway[n];

		close_but(one, one->listener_fds, one->next_fds);
		memcpy(one->listener_fds, one->next_fds, sizeof(one->listener_fds));
		memset(one->next_fds, 0xff, sizeof(one->next_fds)); /* -1 each */
		gateway_send_change(gateways_serving(g, n), listeners);
	}
}
