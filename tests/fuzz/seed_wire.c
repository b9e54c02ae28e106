// SPDX-License-Identifier: Apache-2.0
/* seed_wire DIR writes the seeds of fuzz_wire.c. A program makes them, because records are
 * structures of C: committed files would be garbage after the next change of a record. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/wire/channel.h"
#include "runtime/wire/records.h"
#include "tests/fuzz/fuzz.h"

static FILE *seed(const char *dir, const char *name)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "wb");
	claim(file);
	return file;
}

/* One datagram behind its length, as the target reads them. */
static void put(FILE *file, uint32_t type, const void *record, size_t size)
{
	struct wire_head head = {type, (uint32_t)size};
	uint16_t length = (uint16_t)(size + sizeof(head));

	claim(fwrite(&length, sizeof(length), 1, file) == 1);
	claim(fwrite(&head, sizeof(head), 1, file) == 1);
	claim(size == 0 || fwrite(record, size, 1, file) == 1);
}

static void service(const char *dir)
{
	static struct wire_service_put s = {
		.revision = 1,
		.memory_mb = 512,
		.pids_max = 64,
		.scratch_mb = 64,
		.max_duration_ms = 1000,
		.init_timeout_ms = 1000,
		.concurrency_max = 10,
		.instances_max = 3,
		.layer_count = 1,
		.host_count = 1,
		.name = "api",
		.hosts = {"a.example"},
		.prefix = "/p",
		.exec = {.argc = 2,
			 .envc = 1,
			 .port = 8080,
			 .stop_signal = 15,
			 .cwd = "/app",
			 .argv = "/bin/x\0-y",
			 .env = "A=1"},
	};
	FILE *file = seed(dir, "service_put");

	put(file, WIRE_SERVICE_PUT, &s, sizeof(s));
	fclose(file);
}

static void route_and_instance(const char *dir)
{
	static struct wire_route_put route = {.index = 3,
					      .revision = 1,
					      .concurrency_max = 10,
					      .max_duration_ms = 1000,
					      .init_timeout_ms = 100,
					      .host_count = 1,
					      .name = "api",
					      .hosts = {"a.example"},
					      .prefix = "/p/"};
	static struct wire_route_put variant = {
		.index = 4, .revision = 2, .name = "api", .parent = 4, .share_permille = 100};
	struct wire_instance_up up = {.slot = 2,
				      .generation = 1,
				      .service = 3,
				      .revision = 1,
				      .port = 8080,
				      .backlog = 10,
				      .id = "api-1"};
	struct wire_route_del del = {.index = 3};
	FILE *file = seed(dir, "route_and_instance");

	put(file, WIRE_ROUTE_PUT, &route, sizeof(route));
	put(file, WIRE_ROUTE_PUT, &variant, sizeof(variant));
	put(file, WIRE_INSTANCE_UP, &up, sizeof(up));
	put(file, WIRE_ROUTE_DEL, &del, sizeof(del));
	fclose(file);
}

static void meters(const char *dir)
{
	struct wire_meter m = {.seq = 1,
			       .boot_us = 1,
			       .lived_us = 100,
			       .cpu_us = 10,
			       .awake_us = 50,
			       .frozen_us = 50,
			       .memory_mb = 512,
			       .instance = "api-1",
			       .service = "api"};
	FILE *file = seed(dir, "meters");

	put(file, WIRE_METER, &m, sizeof(m));
	m.seq = 2;
	m.reason = METER_AT_CLOSE;
	put(file, WIRE_METER, &m, sizeof(m));
	m.seq = 3;
	put(file, WIRE_METER, &m, sizeof(m));
	fclose(file);
}

static void malformed(const char *dir)
{
	struct wire_need_sockets need = {.slot = 1, .generation = 1, .count = 4};
	FILE *file = seed(dir, "malformed");

	put(file, WIRE_NEED_SOCKETS, &need, sizeof(need));
	put(file, WIRE_NEED_SOCKETS, &need, 3);
	put(file, WIRE_TYPE_COUNT + 50, NULL, 0);
	fclose(file);
}

int main(int argc, char **argv)
{
	static void (*const seeds[])(const char *dir) = {service, route_and_instance, meters,
							 malformed};

	claim(argc == 2);
	for (size_t i = 0; i < ARRAY_LEN(seeds); i++)
		seeds[i](argv[1]);
	return 0;
}
