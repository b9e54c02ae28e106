// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/jumps.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "runtime/base/fd.h"

#define NEVER_S 9000000000 /* the year 2255: the kernel's time ends in 2262 */

static void on_ready(struct watch *w, uint32_t events)
{
	struct jumps *j = container_of(w, struct jumps, watch);
	uint64_t expired;

	if (read(w->fd, &expired, sizeof(expired)) < 0 && errno == ECANCELED)
		j->on_jump(j->self);
}

int jumps_watch(struct jumps *j, struct loop *loop, void (*on_jump)(void *self), void *self)
{
	const struct itimerspec never = {.it_value = {.tv_sec = NEVER_S}};
	int r;

	*j = (struct jumps){
		.watch = {.fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK),
			  .on_ready = on_ready,
			  .name = "jumps on_ready"},
		.on_jump = on_jump,
		.self = self};
	if (j->watch.fd < 0)
		return -errno;
	r = timerfd_settime(j->watch.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
	r = r < 0 ? -errno : loop_watch(loop, &j->watch, EPOLLIN);
	if (r < 0)
		fd_close(&j->watch.fd);
	return r;
}
