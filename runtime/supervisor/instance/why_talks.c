// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/supervisor/instance/why.h"

void explain_talks(const struct instance *i, uint64_t now_ns, char *out, size_t size)
{
	const struct talks *talks = &i->idle.talks;
	uint64_t idle_since_ns = atomic_load(&board_slot(i->ground->board, i->slot)->idle_since_ns);
	uint64_t since_ns = i->idle.since_ns > idle_since_ns ? i->idle.since_ns : idle_since_ns;
	uint64_t until_ns = since_ns + i->spec->put.max_duration_ms * NS_PER_MS;
	char text[128];
	size_t at;

	(void)snprintf(out, size, "awake: it waits for the network");
	for (uint32_t n = 0; n < talks->waiting && n < TALKS_SHOWN; n++) {
		talk_text(&talks->shown[n], text, sizeof(text));
		at = strlen(out);
		(void)snprintf(out + at, size - at, "%s %s", n ? "," : ":", text);
	}
	at = strlen(out);
	if (talks->waiting > TALKS_SHOWN)
		(void)snprintf(out + at, size - at, ", and %u more", talks->waiting - TALKS_SHOWN);
	at = strlen(out);
	(void)snprintf(out + at, size - at,
		       "; frozen in %" PRIu64 " ms at the latest (maxDuration)",
		       until_ns > now_ns ? (until_ns - now_ns) / NS_PER_MS : 0);
}
