// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/message/wall.h"

#include "runtime/base/mem.h"
#include "runtime/base/clock.h"

uint64_t wall_us(struct wall *w, uint64_t now_ns, uint64_t mono_ns)
{
	must(now_ns >= w->checked_ns);
	if (now_ns - w->checked_ns > NS_PER_SEC) {
		w->offset_ns = clock_real_us() * NS_PER_US - now_ns;
		w->checked_ns = now_ns;
	}
	return (mono_ns + w->offset_ns) / NS_PER_US;
}

uint64_t wall_ms(struct wall *w, uint64_t now_ns, uint64_t mono_ns)
{
	return wall_us(w, now_ns, mono_ns) / 1000;
}

struct http_slice wall_date(struct wall *w, uint64_t now_ns)
{
	uint64_t now_s = wall_ms(w, now_ns, now_ns) / 1000;

	if (now_s != w->date_s)
		http_date(now_s, w->date);
	w->date_s = now_s;
	return (struct http_slice){w->date, HTTP_DATE_SIZE};
}
