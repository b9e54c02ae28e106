// SPDX-License-Identifier: Apache-2.0
/* Signals: the end, a dump of facts, other settings. */
#include "runtime/supervisor/ebbd.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"

/* The watchdog's observation, as a line of the log, which tests read. */
void ebbd_say_health(const struct ebbd *e)
{
	const struct loop_health *h = loop_health(e->loop);

	log_info("event=handlers stalls=%" PRIu64 " delays=%" PRIu64 " longest_us=%" PRIu64
		 " longest_cpu_us=%" PRIu64 " handler=\"%s%s%s\"",
		 h->stalls, h->delays, h->longest_ns / NS_PER_US, h->longest_cpu_ns / NS_PER_US,
		 h->longest_name ? h->longest_name : "none", h->longest_note ? ", " : "",
		 h->longest_note ? h->longest_note : "");
}

/* SIGUSR1: facts of a running ebbd without asking the API. */
static void dump(const struct ebbd *e)
{
	log_info("event=dump instances=%u", fleet_count(e->fleet));
	ebbd_say_health(e);
	for (uint32_t step = 0; e->zygote && step < SANDBOX_STEP_COUNT; step++) {
		struct sandbox_step_time t = zygote_step_time(e->zygote, step);

		if (t.count > 0)
			log_info("event=spawn_step step=%s count=%" PRIu64 " mean_us=%.1f",
				 sandbox_step_name(step), t.count,
				 (double)t.total_ns / (double)t.count / (double)NS_PER_US);
	}
}

void ebbd_reload(struct ebbd *e)
{
	struct estate_words *words = estate_words(e->heritage.estate);
	uint32_t asked = atomic_load(&words->reloads_asked);

	if (!e->stopping && !e->told_ready && e->life != KEEPER_FIRST)
		return; /* once it has taken over */
	if (e->stopping || !e->told_ready)
		log_info("event=reload_ignored cause=\"ebbd is starting or stopping\"");
	else
		reload_settings(&e->reload, e->gateways, e->api, e->fleet);
	atomic_store(&words->reloads_done, asked);
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct ebbd *e = container_of(w, struct ebbd, signals);
	struct signalfd_siginfo info;

	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			ebbd_reload(e);
		else if (info.ssi_signo == SIGUSR1)
			dump(e);
		else if (info.ssi_signo == SIGUSR2)
			ebbd_upgrade(e);
		else
			ebbd_stop(e);
	}
}

int ebbd_open_signals(struct ebbd *e, struct fault *f)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	e->signals = (struct watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
				    .on_ready = on_signal,
				    .name = "ebbd on_signal"};
	r = e->signals.fd < 0 ? -errno : loop_watch(e->loop, &e->signals, EPOLLIN);
	return r < 0 ? fault_errno(f, r, "cannot watch for signals") : 0;
}
