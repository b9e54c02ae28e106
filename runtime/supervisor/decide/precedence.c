// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/decide/precedence.h"

#include "runtime/supervisor/decide/saturation.h"

#define HEAVY_SHARE   4u /* of an equal part: more than a quarter is heavy use */
#define LIGHT_SHARE   8u /* an eighth or less is light use */
#define LIGHT_SAMPLES 10u

#define LITTLE_SHARE 4u /* of the host: less than a quarter is hardly used */

uint32_t precedence_part(uint32_t used_milli, uint32_t host_milli, uint32_t awake)
{
	uint32_t least = host_milli / LITTLE_SHARE;

	return (used_milli > least ? used_milli : least) / (awake ? awake : 1);
}

static bool go_in_front(struct precedence *p)
{
	if (!p->behind || p->light < LIGHT_SAMPLES)
		return false;
	*p = (struct precedence){0};
	return true;
}

bool precedence_step(struct precedence *p, uint32_t used_milli, uint32_t part_milli)
{
	bool was_behind = p->behind;

	if (used_milli > part_milli / HEAVY_SHARE) {
		*p = (struct precedence){.behind = true};
		return !was_behind;
	}
	p->light = used_milli <= part_milli / LIGHT_SHARE ? p->light + 1 : 0;
	return go_in_front(p);
}

bool precedence_rest(struct precedence *p, uint64_t frozen_ms)
{
	uint64_t samples = frozen_ms / LOAD_SAMPLE_MS;

	p->light += samples < LIGHT_SAMPLES ? (uint32_t)samples : LIGHT_SAMPLES;
	return go_in_front(p);
}
