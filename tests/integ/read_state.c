// SPDX-License-Identifier: Apache-2.0
/* Reads a state directory with ebb-api's own functions and prints what they find, one line each:
 * the services with their present revision and memory, the names of images, and a drain
 * (test_power_cuts.py). */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/api/api.h"
#include "runtime/api/images.h"
#include "runtime/api/services.h"
#include "runtime/base/fault.h"

static void print(const struct api *api)
{
	const char *name;

	for (size_t i = 0; i < services_count(api->services); i++) {
		const struct service *s = services_at(api->services, i);

		printf("service %s %u %u\n", s->name, s->current.number, s->current.spec.memory_mb);
	}
	for (size_t i = 0; (name = images_name_at(api->images, i)); i++)
		printf("image %s\n", name);
	if (api->drain.on)
		printf("drained\n");
}

int main(int argc, char **argv)
{
	struct api api = {.state_dir_fd = argc == 2 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1};
	struct fault fault = {0};
	char text[FAULT_TEXT_SIZE];
	int r = images_open(api.state_dir_fd, &api.images, &fault);

	if (r == 0)
		r = services_open(api.state_dir_fd, NULL, &api.services, &fault);
	if (r == 0)
		r = drain_load(&api, &fault);
	if (r < 0)
		printf("unreadable: %s: %s\n", fault_text(&fault, text), strerror(-r));
	else
		print(&api);
	return r < 0;
}
