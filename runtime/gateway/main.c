// SPDX-License-Identifier: Apache-2.0
/*
 * ebb-gateway: HTTP between clients and instances. ebbd starts it in an empty root without
 * privileges. Everything that it owns came as a descriptor or in a record: fd 3 is the channel to
 * ebbd, fd 4 the ring.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/program.h"
#include "runtime/gateway/client/listeners.h"
#include "runtime/gateway/gateway.h"
#include "runtime/gateway/hear/hear.h"

FILTER_EMBED(policy, "runtime/gateway/seccomp.policy");

#define LARGE_BUFFERS 128u
/* Bytes of a large buffer beside the largest head of a request. */
#define LARGE_EXTRA 32768u

static int config_ok(const struct wire_gateway_config *c, unsigned int fd_count)
{
	return c->listener_count <= LISTENERS_MAX &&
	       fd_count == GATEWAY_CONFIG_FDS + c->listener_count &&
	       c->gateway_count <= GATEWAYS_MAX && c->index < c->gateway_count &&
	       c->connections_max > 0 && c->connections_max <= 1u << 20 &&
	       c->trusted_count <= TRUSTED_MAX && c->head_bytes_max >= 1024 &&
	       c->head_bytes_max <= 1u << 20 && memchr(c->domain, 0, sizeof(c->domain));
}

static int take_config(struct gateway *g, struct wire_message *m)
{
	const struct wire_gateway_config *c = (const void *)m->record;
	int r;

	if (m->head.type != WIRE_GATEWAY_CONFIG || m->head.size != sizeof(*c) ||
	    !config_ok(c, m->fd_count))
		return -EPROTO;
	g->config = *c;
	r = board_open(m->fds[0], &g->board);
	if (r < 0)
		return r;
	g->doorbell_fd = keep_fd(&m->fds[1]);
	r = account_init(&g->account, m->fds[2], keep_fd(&m->fds[3]), c->access_every,
			 c->connections_max);
	if (r < 0)
		return r;
	listeners_init(g);
	listeners_change(g, &m->fds[GATEWAY_CONFIG_FDS], c->listener_count, c->proxy_listeners);
	return 0;
}

static int receive_config(struct gateway *g)
{
	static struct wire_message m; /* 64 KiB: too much for a stack, needed once */
	int r = wire_recv(g->tell.fd, &m);

	if (r <= 0)
		return r ? r : -EPIPE;
	r = take_config(g, &m);
	wire_message_fini(&m);
	return r;
}

/* Signals become events of the loop. SIGPIPE is ignored: a send to a peer that is gone returns
 * EPIPE. */
static int init_signals(struct gateway *g)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	g->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return g->signal_fd < 0 ? -errno : 0;
}

static uint32_t unit_count_for(uint32_t connections_max)
{
	/* Every connection may hold two buffers (one that is being sent, and a request that may be
	 * sent again). So buffers are left for other connections even if every client stops
	 * reading. Unused buffers cost no memory, because their pages are never touched. */
	return connections_max * 2 + 512 < 65535 ? connections_max * 2 + 512 : 65535;
}

/* A gateway and what it stands on. */
struct whole {
	struct gateway gateway;
	struct buffers buffers;
	struct ring ring;
};

static int start(void *self, const char **step)
{
	struct whole *w = self;
	struct gateway *g = &w->gateway;
	struct ring *l = &w->ring;
	int r;

	*step = "receive the configuration";
	if ((r = receive_config(g)) < 0)
		return r;
	*step = "map the ring on fd 4";
	if ((r = ring_init(l, GATEWAY_RING_FD, g->config.ring_params)) < 0)
		return r;
	*step = "register the buffer ring";
	r = buffers_init(&w->buffers, l, unit_count_for(g->config.connections_max), LARGE_BUFFERS,
			 g->config.head_bytes_max + LARGE_EXTRA);
	if (r < 0)
		return r;
	*step = "seed request ids";
	if (getrandom(&g->id_seed, sizeof(g->id_seed), 0) != (ssize_t)sizeof(g->id_seed))
		return -EIO;
	*step = "make the tables";
	if ((r = gateway_init(g, l, &w->buffers)) < 0)
		return r;
	*step = "block signals";
	if ((r = init_signals(g)) < 0)
		return r;
	*step = "enable the ring";
	if ((r = ring_enable(l)) < 0)
		return r;
	*step = "watch the channel";
	return hear_init(g);
}

static int run(void *self)
{
	static const struct ring_event none;
	struct whole *w = self;
	struct gateway *g = &w->gateway;
	int r;

	log_info("event=starting index=%u connections_max=%u", g->config.index,
		 g->config.connections_max);
	gateway_on_signal(g, &none); /* no signal: only begins to wait */
	listeners_arm(g);
	r = wire_send(g->tell.fd, WIRE_GATEWAY_READY, NULL, 0, NULL, 0);
	return r < 0 ? r : ring_run(&w->ring);
}

int main(int argc, char **argv)
{
	static struct whole whole = {.gateway = {.tell = {.fd = GATEWAY_CONTROL_FD}}};
	static const struct program program = {.name = "ebb-gateway",
					       .policy = policy_start,
					       .policy_end = policy_end,
					       .open = start,
					       .run = run,
					       .self = &whole};

	return program_main(&program, argc, argv);
}
