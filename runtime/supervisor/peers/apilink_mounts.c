// SPDX-License-Identifier: Apache-2.0
/* Layers of an image are mounted a few at a time, before a service or an export opens them: the
 * mounts of 127 layers take ten times what one handler may. */
#include "runtime/supervisor/peers/apilink_inside.h"

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

#define PART_NS (2 * NS_PER_MS)

static void on_due(struct timer *t)
{
	struct apilink *a = container_of(t, struct apilink, mounting);

	wire_link_again(&a->daemon.link);
}

void apilink_mounts_init(struct apilink *a)
{
	a->mounting = (struct timer){.on_due = on_due, .name = "apilink mounts"};
	a->mounted = 0;
}

void apilink_mounts_drop(struct apilink *a)
{
	loop_timer_off(a->options.host->loop, &a->mounting);
	a->mounted = 0;
}

bool apilink_mounts_done(struct apilink *a, const uint8_t (*layers)[DIGEST_SIZE], uint32_t count)
{
	uint64_t begun_ns = clock_mono_ns();

	must(count <= IMAGE_LAYERS_MAX);
	while (a->mounted < count) {
		(void)image_layer_mount(a->options.images, layers[a->mounted++]);
		if (a->mounted == count || clock_mono_ns() - begun_ns < PART_NS)
			continue;
		if (loop_timer_at(a->options.host->loop, &a->mounting, begun_ns) == 0)
			return false;
	}
	a->mounted = 0;
	return true;
}
