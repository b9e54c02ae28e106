// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/route/instances.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/fd.h"
#include "runtime/base/text.h"

int instances_init(struct instances *all)
{
	all->slots = calloc(INSTANCES_MAX, sizeof(*all->slots));
	return all->slots ? 0 : -ENOMEM;
}

static int set_address(struct instance *i, const struct wire_instance_up *up)
{
	if (up->address == WIRE_ADDRESS_TCP && up->port) {
		struct sockaddr_in *in = (struct sockaddr_in *)&i->address;

		in->sin_family = AF_INET;
		in->sin_port = htons(up->port);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		i->address_size = sizeof(*in);
		return 0;
	}
	if (up->address == WIRE_ADDRESS_UNIX &&
	    text_terminated(up->unix_name, sizeof(up->unix_name))) {
		struct sockaddr_un *un = (struct sockaddr_un *)&i->address;
		size_t size = strlen(up->unix_name);

		un->sun_family = AF_UNIX;
		memcpy(un->sun_path + 1, up->unix_name, size);
		i->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
		return 0;
	}
	return -EINVAL;
}

/* All instances of a revision speak the protocol that one of them was found to speak. */
static uint8_t speaks_at_first(const struct service *s, const struct wire_instance_up *up)
{
	if (up->upstream == WIRE_HTTP_2)
		return SPEAKS_HTTP2;
	if (up->upstream == WIRE_HTTP_1)
		return SPEAKS_HTTP1;
	return s->http2_revision == up->revision && up->revision ? SPEAKS_HTTP2 : SPEAKS_UNKNOWN;
}

static void init_chains(struct instance *i)
{
	struct chain *const chains[] = {&i->of_service, &i->in_room, &i->pool,
					&i->waits,      &i->wakes,   &i->h2_sessions};

	for (size_t n = 0; n < ARRAY_LEN(chains); n++)
		chain_init(chains[n]);
}

int instances_up(struct instances *all, struct routes *routes, const struct wire_instance_up *up,
		 int *fds, uint64_t now_ns)
{
	struct service *s = routes_service(routes, up->service);
	struct instance *i;

	if (up->slot >= INSTANCES_MAX || up->socket_count > STOCK_MAX || !s || !up->id[0] ||
	    !text_terminated(up->id, sizeof(up->id)) || up->upstream >= WIRE_HTTP_COUNT ||
	    all->slots[up->slot].up)
		return -EINVAL;
	i = &all->slots[up->slot];
	*i = (struct instance){.slot = up->slot,
			       .generation = up->generation,
			       .service = up->service,
			       .revision = up->revision,
			       .room = up->backlog ? up->backlog : 1,
			       .room_max = up->backlog ? up->backlog : 1,
			       .epoch = 1,
			       .up_ns = now_ns,
			       .freeze_fd = -1};
	if (set_address(i, up) < 0)
		return -EINVAL;
	i->id_size = strlen(up->id);
	memcpy(i->id, up->id, i->id_size + 1);
	i->upstream = (uint8_t)up->upstream;
	i->speaks = speaks_at_first(s, up);
	i->h2_streams_max = UINT32_MAX;
	i->freeze_fd = keep_fd(&fds[0]);
	instances_stock(i, fds + 1, up->socket_count);
	i->up = true;
	init_chains(i);
	chain_add_first(&s->instances, &i->of_service);
	return 0;
}

struct instance *instances_get(const struct instances *all, uint32_t slot, uint32_t generation)
{
	if (slot >= INSTANCES_MAX || !all->slots[slot].up ||
	    all->slots[slot].generation != generation)
		return NULL;
	return &all->slots[slot];
}

void instances_down(struct instance *i)
{
	must(i->up && i->service < SERVICES_MAX);
	chain_remove(&i->of_service);
	chain_remove(&i->in_room);
	i->up = false;
	fd_close(&i->freeze_fd);
	while (i->stock_count > 0)
		fd_close(&i->stock_fds[--i->stock_count]);
}

uint32_t instances_stock(struct instance *i, int *fds, uint32_t count)
{
	uint32_t taken = 0;

	must(i->stock_count <= STOCK_MAX);
	while (taken < count && i->stock_count < STOCK_MAX)
		i->stock_fds[i->stock_count++] = keep_fd(&fds[taken++]);
	return taken;
}
