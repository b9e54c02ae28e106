// SPDX-License-Identifier: Apache-2.0
/*
 * Wire records. The input is a row of datagrams, each behind its length (2 bytes, little endian): a
 * datagram is type (4 bytes), size (4 bytes) and record. Each is sent over a real SOCK_SEQPACKET
 * pair, received, and dispatched by a table of types with their exact sizes, as in the programs.
 * Records with content then go to the code that must believe or refuse them: root checks a service,
 * a gateway takes routes and instances, the ledger takes a reading.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/gateway/route/instances.h"
#include "runtime/gateway/route/route.h"
#include "runtime/ledger/rules.h"
#include "runtime/wire/channel.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/wire_root.h"

struct receiver {
	struct routes routes;
	struct instances instances;
	struct wire_meter last_meter;
};

static int on_service_put(void *self, struct wire_message *m)
{
	return wire_root_service_put((const void *)m->record);
}

static int on_route_put(void *self, struct wire_message *m)
{
	struct receiver *r = self;
	const struct wire_route_put *record = (const void *)m->record;
	struct http_slice host, path = {"/a/b", 4};
	int err = routes_put(&r->routes, record);

	if (err < 0)
		return err;
	host = (struct http_slice){record->name, strlen(record->name)};
	(void)routes_find(&r->routes, host, path);
	claim(routes_service(&r->routes, record->index));
	return 0;
}

static int on_route_del(void *self, struct wire_message *m)
{
	struct receiver *r = self;

	return routes_del(&r->routes,
			  ((const struct wire_route_del *)(const void *)m->record)->index);
}

static int on_instance_up(void *self, struct wire_message *m)
{
	struct receiver *r = self;
	const struct wire_instance_up *up = (const void *)m->record;
	struct instance *i;
	int fds[STOCK_MAX + 1], err;

	if (up->socket_count > 0) /* their number is checked against the message's before this */
		return -EPROTO;
	fds[0] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	err = instances_up(&r->instances, &r->routes, up, fds, 1);
	if (err < 0) {
		close(fds[0]);
		return err;
	}
	i = instances_get(&r->instances, up->slot, up->generation);
	claim(i && i->address_size <= sizeof(i->address));
	instances_down(i);
	return 0;
}

static int on_meter(void *self, struct wire_message *m)
{
	struct receiver *r = self;
	const struct wire_meter *meter = (const void *)m->record;

	if (rules_alone(meter))
		return -EPROTO;
	claim(meter->awake_us + meter->frozen_us <= meter->lived_us);
	(void)rules_after(&r->last_meter, meter);
	r->last_meter = *meter;
	return 0;
}

static int on_other(void *self, struct wire_message *m)
{
	claim(wire_type_name(m->head.type)[0] != '?');
	return 0;
}

#define ROW(type, record, handle)                                              \
	{                                                                      \
		WIRE_##type, sizeof(struct record), 1, 0, WIRE_FDS_MAX, handle \
	}
static const struct wire_rule rules[] = {
	ROW(SERVICE_PUT, wire_service_put, on_service_put),
	ROW(ROUTE_PUT, wire_route_put, on_route_put),
	ROW(ROUTE_DEL, wire_route_del, on_route_del),
	ROW(INSTANCE_UP, wire_instance_up, on_instance_up),
	ROW(METER, wire_meter, on_meter),
	ROW(INSTANCE_DOWN, wire_instance_down, on_other),
	ROW(SOCKETS, wire_sockets, on_other),
	ROW(INSTANCE_DRAIN, wire_instance_drain, on_other),
	ROW(START_FAILED, wire_start_failed, on_other),
	ROW(NEED_INSTANCE, wire_need_instance, on_other),
	ROW(NEED_SOCKETS, wire_need_sockets, on_other),
	ROW(INSTANCE_SUSPECT, wire_instance_suspect, on_other),
	ROW(CHOICE, wire_choice, on_other),
	ROW(SERVICE_START, wire_service_start, on_other),
	ROW(NODE_DRAIN, wire_node_drain, on_other),
	ROW(NODE_UPGRADE, wire_node_upgrade, on_other),
	ROW(EXEC_START, wire_exec_start, on_other),
	ROW(EXEC_SIGNAL, wire_exec_signal, on_other),
	ROW(SOCKETS_GET, wire_sockets_get, on_other),
	ROW(SOCKETS_OF, wire_sockets_of, on_other),
	ROW(INSTANCE_COMMAND, wire_instance_command_record, on_other),
	ROW(RESULT, wire_result, on_other),
	ROW(EVENT, wire_event, on_other),
	ROW(METER_SYNC, wire_meter_sync, on_other),
	ROW(USAGE_GET, wire_usage_get, on_other),
};

static void clear(struct receiver *r)
{
	for (uint32_t i = 0; i < SERVICES_MAX; i++)
		if (routes_service(&r->routes, i))
			(void)routes_del(&r->routes, i);
}

/* Several datagrams make one input, because an instance needs the route that an earlier one put. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct receiver receiver;
	static struct wire_message m;
	static int pair[2] = {-1, -1};

	if (pair[0] < 0) {
		claim(wire_pair(&pair[0], &pair[1]) == 0);
		claim(routes_init(&receiver.routes, "example.org") == 0);
		claim(instances_init(&receiver.instances) == 0);
	}
	while (size >= 2) {
		size_t length = data[0] | (size_t)data[1] << 8;
		int r;

		data += 2, size -= 2;
		length = length < size ? length : size;
		if (length > 0 && send(pair[0], data, length, MSG_NOSIGNAL) == (ssize_t)length) {
			r = wire_recv(pair[1], &m);
			claim(r == 1 || r == -EBADMSG);
			if (r == 1)
				(void)wire_dispatch(rules, ARRAY_LEN(rules), 1, &receiver, &m);
		}
		data += length, size -= length;
	}
	clear(&receiver);
	return 0;
}
