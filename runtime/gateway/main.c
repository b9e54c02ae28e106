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

#include "runtime/base/confine.h"
#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/rehearse.h"
#include "runtime/gateway/client/listeners.h"
#include "runtime/gateway/gateway.h"
#include "runtime/gateway/hear/hear.h"

FILTER_EMBED(gateway_policy, "runtime/gateway/seccomp.policy");

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

static int start(struct gateway *g, struct ring *l, struct buffers *b, const char **step)
{
	int r;

	*step = "receive the configuration";
	if ((r = receive_config(g)) < 0)
		return r;
	*step = "map the ring on fd 4";
	if ((r = ring_init(l, GATEWAY_RING_FD, g->config.ring_params)) < 0)
		return r;
	*step = "register the buffer ring";
	r = buffers_init(b, l, unit_count_for(g->config.connections_max), LARGE_BUFFERS,
			 g->config.head_bytes_max + LARGE_EXTRA);
	if (r < 0)
		return r;
	*step = "seed request ids";
	if (getrandom(&g->id_seed, sizeof(g->id_seed), 0) != (ssize_t)sizeof(g->id_seed))
		return -EIO;
	*step = "make the tables";
	if ((r = gateway_init(g, l, b)) < 0)
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

static int confine_here(void)
{
	struct fault fault = {0};
	char text[FAULT_TEXT_SIZE];
	int r = confine(gateway_policy_start, gateway_policy_end, &fault);

	if (r < 0)
		log_error("event=start_failed step=\"confine\" error=\"%s\"",
			  fault_text(&fault, text));
	else if (r > 0)
		log_warn("event=unconfined reason=\"built with a sanitizer\"");
	return r;
}

int main(int argc, char **argv)
{
	static struct gateway gateway = {.tell = {.fd = GATEWAY_CONTROL_FD}};
	static struct buffers buffers;
	static struct ring ring;
	static const struct ring_event none;
	const char *step = NULL, *rehearsal = rehearse_wanted(argc, argv);
	int r;

	log_init("ebb-gateway", LOG_INFO_LEVEL);
	if (rehearsal)
		return confine_here() < 0 || rehearse(rehearsal) < 0;
	log_to_supervisor();
	r = start(&gateway, &ring, &buffers, &step);
	if (r < 0) {
		log_error("event=start_failed step=\"%s\" error=\"%s\"", step, strerror(-r));
		return 1;
	}
	log_info("event=starting index=%u connections_max=%u", gateway.config.index,
		 gateway.config.connections_max);
	if (confine_here() < 0)
		return 1;
	gateway_on_signal(&gateway, &none); /* no signal: only begins to wait */
	listeners_arm(&gateway);
	r = wire_send(gateway.tell.fd, WIRE_GATEWAY_READY, NULL, 0, NULL, 0);
	if (r == 0)
		r = ring_run(&ring);
	if (r < 0)
		log_error("event=loop_failed error=\"%s\"", strerror(-r));
	return r < 0;
}
