// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * Plays ebbd for one ebb-gateway, so that the gateway can be tested and measured alone: makes
 * board, ring, listener and channel, starts the gateway, and gives it sockets for servers on
 * 127.0.0.1. A plain file stands for an instance's cgroup.freeze. Commands are lines on stdin; each
 * is answered on stdout, by "ok" where the list shows no answer:
 *
 *   service INDEX NAME CONCURRENCY MAX_DURATION_MS INIT_MS PREFIX|- [HOST]...
 *   unservice INDEX
 *   up SLOT SERVICE PORT LIMIT [BACKLOG [UPSTREAM]]
 *   down SLOT CAUSE DETAIL
 *   hibernate MS                    for the services put from now on
 *   freeze SLOT                     -> frozen SLOT 0|1
 *   retire SLOT                     its board state becomes DRAINING, and the gateway is told
 *   instancedrain SLOT              the gateway is told the same, the board is left as it is
 *   board SLOT                      -> board SLOT STATE TICKETS INVOCATIONS THAWS FREEZE SLEEPING
 *   startfailed SERVICE RETRY_AFTER TEXT
 *   saturate SLOT 0|1
 *   sockets on|off                  whether NEED_SOCKETS is answered
 *   drain                           drains the gateway and closes the listener
 *   pooldrop SLOT MS
 *   change 0|1 [KEY=VALUE]...       a reload; 1: with the listener
 * Lines that come unasked: ready PID PORT, need_instance SERVICE N, suspect SLOT ERRNO, blame SLOT
 * KINDS, cleared SERVICE, choice SERVICE SLOT REASON TICKETS AWAKE FROZEN SATURATED FULL MADE, exit
 * STATUS
 *
 * usage: gateway_stub GATEWAY PORT [connections_max [queue_max [queue_age_ms [idle_ms [head_ms
 *        [KEY=VALUE]...]]]]]   keys: see limits[] below, proxy=1, trusted=ADDRESS/BITS
 */
/* clang-format on */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns/netns.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/wire/board.h"
#include "runtime/wire/channel.h"
#include "runtime/wire/stats.h"

#define STOCK   16
#define WORDS   16
#define SLOTS   64
#define RING_SQ 1024
#define RING_CQ 8192

struct stub {
	int control_fd, doorbell_fd, board_fd, listener_fd, ring_fd, stats_fd, access_fd;
	struct board *board;
	struct io_uring_params ring;
	uint32_t generation[SLOTS];
	int freeze_fd[SLOTS];
	uint16_t port[SLOTS];
	bool sockets_on;
	uint32_t hibernate_ms;
	pid_t gateway;
	struct wire_gateway_config config;
};

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "gateway_stub: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int make_listener(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	check(fd, "socket");
	check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "SO_REUSEADDR");
	check(bind(fd, (struct sockaddr *)&a, sizeof(a)), "bind");
	check(listen(fd, 4096), "listen");
	return fd;
}

static int port_of(int fd)
{
	struct sockaddr_in a;
	socklen_t size = sizeof(a);

	check(getsockname(fd, (struct sockaddr *)&a, &size), "getsockname");
	return ntohs(a.sin_port);
}

static int place(int fd, int at)
{
	int moved = fcntl(fd, F_DUPFD, 100);

	check(moved, "F_DUPFD");
	check(dup2(moved, at), "dup2");
	close(moved);
	return at;
}

static void start_gateway(struct stub *s, const char *path)
{
	int ours, theirs;

	check(wire_pair(&ours, &theirs), "socketpair");
	s->control_fd = ours;
	fflush(stdout);
	s->gateway = fork();
	check(s->gateway, "fork");
	if (s->gateway == 0) {
		int ring = fcntl(s->ring_fd, F_DUPFD, 200), channel = fcntl(theirs, F_DUPFD, 200);

		place(channel, GATEWAY_CONTROL_FD);
		place(ring, GATEWAY_RING_FD);
		fd_close_from(5);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(theirs);
	/* A second descriptor of the ring would keep the gateway's armed operations, and with them
	 * its sockets, alive after its death. */
	fd_close(&s->ring_fd);
}

#define LIMIT(field)                                                    \
	{                                                               \
#field "=", offsetof(struct wire_gateway_config, field) \
	}
static const struct {
	const char *key;
	size_t at;
} limits[] = {
	LIMIT(head_bytes_max),
	LIMIT(head_fields_max),
	LIMIT(target_bytes_max),
	LIMIT(address_connections_max),
	LIMIT(connection_requests_max),
	LIMIT(body_rate_min),
	LIMIT(body_window_ms),
	LIMIT(h2c_streams),
	LIMIT(queue_max),
};

static void set_trusted(struct wire_gateway_config *c, char *text)
{
	struct wire_network *n = &c->trusted[c->trusted_count++];
	char *slash = strchr(text, '/');

	*slash = '\0';
	n->bits = (uint32_t)atoi(slash + 1) + 96;
	memset(n->address + 10, 0xff, 2);
	check(inet_pton(AF_INET, text, n->address + 12) - 1, "trusted");
}

static void set_limit(struct wire_gateway_config *c, char *pair)
{
	char *value = strchr(pair, '=');

	check(value ? 0 : -1, pair);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (strncmp(pair, limits[i].key, strlen(limits[i].key)) == 0) {
			*(uint32_t *)(void *)((char *)c + limits[i].at) = (uint32_t)atoi(value + 1);
			return;
		}
	if (strncmp(pair, "body_bytes_max=", 15) == 0)
		c->body_bytes_max = strtoull(value + 1, NULL, 10);
	else if (strncmp(pair, "proxy=", 6) == 0)
		c->proxy_listeners = (uint32_t)atoi(value + 1);
	else if (strncmp(pair, "trusted=", 8) == 0)
		set_trusted(c, value + 1);
	else
		check(-1, pair);
}

static void send_config(struct stub *s, int argc, char **argv)
{
	int fds[] = {s->board_fd, s->doorbell_fd, s->stats_fd, s->access_fd, s->listener_fd};
	struct wire_gateway_config c = {
		.gateway_count = 1,
		.listener_count = 1,
		.head_bytes_max = 65536,
		.connections_max = argc > 3 ? (uint32_t)atoi(argv[3]) : 1024,
		.queue_max = argc > 4 ? (uint32_t)atoi(argv[4]) : 256,
		.queue_age_ms_max = argc > 5 ? (uint32_t)atoi(argv[5]) : 5000,
		.idle_timeout_ms = argc > 6 ? (uint32_t)atoi(argv[6]) : 60000,
		.head_timeout_ms = argc > 7 ? (uint32_t)atoi(argv[7]) : 10000,
		.h2c_streams = 100,
	};

	for (int i = 8; i < argc; i++)
		set_limit(&c, argv[i]);
	memcpy(c.ring_params, &s->ring, sizeof(s->ring));
	snprintf(c.domain, sizeof(c.domain), "test.example");
	check(wire_send(s->control_fd, WIRE_GATEWAY_CONFIG, &c, sizeof(c), fds, 5), "config");
	s->config = c;
}

static void do_change(struct stub *s, int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		set_limit(&s->config, argv[i]);
	check(wire_send(s->control_fd, WIRE_GATEWAY_CHANGE, &s->config, sizeof(s->config),
			&s->listener_fd, argv[1][0] == '1'),
	      "CHANGE");
}

static void new_sockets(int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		check(fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

static void close_all(const int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		close(fds[i]);
}

static void do_service(struct stub *s, int argc, char **argv)
{
	struct wire_route_put r = {.index = (uint32_t)atoi(argv[1]),
				   .revision = 1,
				   .concurrency_max = (uint32_t)atoi(argv[3]),
				   .max_duration_ms = (uint32_t)atoi(argv[4]),
				   .init_timeout_ms = (uint32_t)atoi(argv[5]),
				   .hibernate_ms = s->hibernate_ms};

	snprintf(r.name, sizeof(r.name), "%s", argv[2]);
	if (strcmp(argv[6], "-") != 0)
		snprintf(r.prefix, sizeof(r.prefix), "%s", argv[6]);
	for (int i = 7; i < argc && r.host_count < SERVICE_HOSTS_MAX; i++)
		snprintf(r.hosts[r.host_count++], HOST_NAME_SIZE, "%s", argv[i]);
	check(wire_send(s->control_fd, WIRE_ROUTE_PUT, &r, sizeof(r), NULL, 0), "ROUTE_PUT");
}

static void do_unservice(struct stub *s, int argc, char **argv)
{
	struct wire_route_del r = {.index = (uint32_t)atoi(argv[1])};

	check(wire_send(s->control_fd, WIRE_ROUTE_DEL, &r, sizeof(r), NULL, 0), "ROUTE_DEL");
}

static void do_up(struct stub *s, int argc, char **argv)
{
	uint32_t slot = (uint32_t)atoi(argv[1]), service = (uint32_t)atoi(argv[2]);
	struct wire_instance_up up = {.slot = slot,
				      .service = service,
				      .revision = 1,
				      .address = WIRE_ADDRESS_TCP,
				      .socket_count = STOCK,
				      .backlog = argc > 5 ? (uint32_t)atoi(argv[5]) : 512,
				      .port = (uint16_t)atoi(argv[3]),
				      .upstream = argc > 6 ? (uint16_t)atoi(argv[6]) : 0};
	int fds[1 + STOCK];

	s->port[slot] = up.port;
	s->freeze_fd[slot] = memfd_create("cgroup.freeze", MFD_CLOEXEC);
	check(s->freeze_fd[slot], "memfd_create");
	check((int)pwrite(s->freeze_fd[slot], "-", 1, 0), "freeze file");
	s->generation[slot] = board_open_slot(s->board, slot, (uint32_t)atoi(argv[4]), service);
	board_move(s->board, slot, 1u << BOARD_STARTING, BOARD_RUNNING);
	up.generation = s->generation[slot];
	snprintf(up.id, sizeof(up.id), "inst-%u", slot);
	fds[0] = s->freeze_fd[slot];
	new_sockets(fds + 1, STOCK);
	check(wire_send(s->control_fd, WIRE_INSTANCE_UP, &up, sizeof(up), fds, 1 + STOCK), "UP");
	close_all(fds + 1, STOCK);
}

static void do_down(struct stub *s, int argc, char **argv)
{
	uint32_t slot = (uint32_t)atoi(argv[1]);
	struct wire_instance_down down = {.slot = slot,
					  .generation = s->generation[slot],
					  .cause = (uint32_t)atoi(argv[2]),
					  .detail = atoi(argv[3])};

	board_move(s->board, slot, ~0u, BOARD_DEAD);
	check(wire_send(s->control_fd, WIRE_INSTANCE_DOWN, &down, sizeof(down), NULL, 0), "DOWN");
}

static void do_hibernate(struct stub *s, int argc, char **argv)
{
	s->hibernate_ms = (uint32_t)atoi(argv[1]);
}

static void do_instance_drain(struct stub *s, int argc, char **argv)
{
	uint32_t slot = (uint32_t)atoi(argv[1]);
	struct wire_instance_drain record = {.slot = slot, .generation = s->generation[slot]};

	check(wire_send(s->control_fd, WIRE_INSTANCE_DRAIN, &record, sizeof(record), NULL, 0),
	      "INSTANCE_DRAIN");
}

static void do_retire(struct stub *s, int argc, char **argv)
{
	board_move(s->board, (uint32_t)atoi(argv[1]), ~0u, BOARD_DRAINING);
	do_instance_drain(s, argc, argv);
}

static void do_freeze(struct stub *s, int argc, char **argv)
{
	uint32_t slot = (uint32_t)atoi(argv[1]);
	bool frozen = board_try_freeze(s->board, slot);

	if (frozen)
		check((int)pwrite(s->freeze_fd[slot], "1", 1, 0), "freeze file");
	printf("frozen %u %d\n", slot, frozen);
}

static const char *const state_names[BOARD_STATE_COUNT] = {
	[BOARD_EMPTY] = "empty",   [BOARD_STARTING] = "starting", [BOARD_RUNNING] = "running",
	[BOARD_FROZEN] = "frozen", [BOARD_DRAINING] = "draining", [BOARD_DEAD] = "dead",
};

static void do_board(struct stub *s, int argc, char **argv)
{
	uint32_t slot = (uint32_t)atoi(argv[1]);
	board_word w = board_load(s->board, slot);
	struct board_slot *b = board_slot(s->board, slot);
	char freeze = '?';

	check((int)pread(s->freeze_fd[slot], &freeze, 1, 0), "freeze file");
	printf("board %u %s %u %lu %lu %c %u\n", slot, state_names[board_state_of(w)],
	       board_tickets(w), (unsigned long)b->invocations, (unsigned long)b->thaws, freeze,
	       board_sleeping(s->board, slot));
}

static void do_saturate(struct stub *s, int argc, char **argv)
{
	atomic_store(&board_slot(s->board, (uint32_t)atoi(argv[1]))->saturated,
		     (uint32_t)atoi(argv[2]));
}

static void do_startfailed(struct stub *s, int argc, char **argv)
{
	struct wire_start_failed f = {.service = (uint32_t)atoi(argv[1]),
				      .retry_after_s = (uint32_t)atoi(argv[2])};

	snprintf(f.text, sizeof(f.text), "%s", argv[3]);
	check(wire_send(s->control_fd, WIRE_START_FAILED, &f, sizeof(f), NULL, 0), "START_FAILED");
}

static void do_sockets(struct stub *s, int argc, char **argv)
{
	s->sockets_on = strcmp(argv[1], "on") == 0;
}

static void do_drain(struct stub *s, int argc, char **argv)
{
	check(wire_send(s->control_fd, WIRE_GATEWAY_DRAIN, NULL, 0, NULL, 0), "DRAIN");
	fd_close(&s->listener_fd); /* as ebbd does */
}

static void do_pool_drop(struct stub *s, int argc, char **argv)
{
	uint32_t slot = (uint32_t)atoi(argv[1]);
	struct wire_pool_drop drop = {
		.slot = slot, .generation = s->generation[slot], .for_ms = (uint32_t)atoi(argv[2])};

	check(wire_send(s->control_fd, WIRE_POOL_DROP, &drop, sizeof(drop), NULL, 0), "POOL_DROP");
}

static const struct {
	const char *name;
	int argc;
	void (*run)(struct stub *s, int argc, char **argv);
	bool answers; /* by more than "ok" */
} commands[] = {
	{"service", 7, do_service},
	{"unservice", 2, do_unservice},
	{"up", 5, do_up},
	{"down", 4, do_down},
	{"hibernate", 2, do_hibernate},
	{"retire", 2, do_retire},
	{"freeze", 2, do_freeze, true},
	{"board", 2, do_board, true},
	{"sockets", 2, do_sockets},
	{"drain", 1, do_drain},
	{"pooldrop", 3, do_pool_drop},
	{"instancedrain", 2, do_instance_drain},
	{"startfailed", 4, do_startfailed},
	{"saturate", 3, do_saturate},
	{"change", 2, do_change},
};

static void on_line(struct stub *s, char *line)
{
	char *argv[WORDS], *save = NULL;
	int argc = 0;

	for (char *word = strtok_r(line, " \n", &save); word && argc < WORDS;
	     word = strtok_r(NULL, " \n", &save))
		argv[argc++] = word;
	for (size_t i = 0; argc > 0 && i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0 && argc >= commands[i].argc) {
			commands[i].run(s, argc, argv);
			if (!commands[i].answers)
				printf("ok\n");
			return;
		}
	printf("error unknown command\n");
}

static int on_ready(void *self, struct wire_message *m)
{
	struct stub *s = self;

	check(wire_send(s->control_fd, WIRE_ROUTES_KNOWN, NULL, 0, NULL, 0), "ROUTES_KNOWN");
	printf("ready %d %d\n", (int)s->gateway, port_of(s->listener_fd));
	return 0;
}

static int on_need_instance(void *self, struct wire_message *m)
{
	const struct wire_need_instance *n = (const void *)m->record;

	printf("need_instance %u %u\n", n->service, n->queued);
	return 0;
}

static int on_need_sockets(void *self, struct wire_message *m)
{
	struct stub *s = self;
	const struct wire_need_sockets *n = (const void *)m->record;
	struct wire_sockets reply = {
		.slot = n->slot, .generation = n->generation, .count = n->count};
	int fds[WIRE_FDS_MAX];

	if (!s->sockets_on)
		return 0;
	new_sockets(fds, n->count);
	check(wire_send(s->control_fd, WIRE_SOCKETS, &reply, sizeof(reply), fds, n->count),
	      "SOCKETS");
	close_all(fds, n->count);
	return 0;
}

/* The server listens in this process's own network namespace, so that one is asked. */
static int on_queue_get(void *self, struct wire_message *m)
{
	struct stub *s = self;
	const struct wire_queue_get *get = (const void *)m->record;
	struct wire_queue queue = {.slot = get->slot, .generation = get->generation};
	struct netns_queue q = {0};
	int ns_fd = netns_own();

	if (netns_queue(ns_fd, ns_fd, s->port[get->slot], NULL, &q) == 1) {
		queue.length = q.length;
		queue.share = q.max;
	}
	close(ns_fd);
	check(wire_send(s->control_fd, WIRE_QUEUE, &queue, sizeof(queue), NULL, 0), "QUEUE");
	return 0;
}

static int on_suspect(void *self, struct wire_message *m)
{
	const struct wire_instance_suspect *n = (const void *)m->record;

	printf("suspect %u %d\n", n->slot, n->error);
	return 0;
}

static int on_blame(void *self, struct wire_message *m)
{
	const struct wire_blame *n = (const void *)m->record;

	printf("blame %u %u\n", n->slot, n->count);
	return 0;
}

static int on_cleared(void *self, struct wire_message *m)
{
	const struct wire_cleared *n = (const void *)m->record;

	printf("cleared %u\n", n->service);
	return 0;
}

static int on_choice(void *self, struct wire_message *m)
{
	const struct wire_choice *n = (const void *)m->record;
	uint32_t made = 0;

	for (int i = 0; i < WIRE_CHOICE_COUNT; i++)
		made += n->made[i];
	printf("choice %u %u %s %u %u %u %u %u %u\n", n->service, n->slot,
	       wire_choice_name(n->reason), n->tickets, n->awake, n->frozen, n->saturated, n->full,
	       made);
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_GATEWAY_READY, 0, 1, 0, 0, on_ready},
	{WIRE_NEED_INSTANCE, sizeof(struct wire_need_instance), 1, 0, 0, on_need_instance},
	{WIRE_NEED_SOCKETS, sizeof(struct wire_need_sockets), 1, 0, 0, on_need_sockets},
	{WIRE_QUEUE_GET, sizeof(struct wire_queue_get), 1, 0, 0, on_queue_get},
	{WIRE_INSTANCE_SUSPECT, sizeof(struct wire_instance_suspect), 1, 0, 0, on_suspect},
	{WIRE_BLAME, sizeof(struct wire_blame), 1, 0, 0, on_blame},
	{WIRE_CLEARED, sizeof(struct wire_cleared), 1, 0, 0, on_cleared},
	{WIRE_CHOICE, sizeof(struct wire_choice), 1, 0, 0, on_choice},
};

static bool on_record(struct stub *s)
{
	static struct wire_message m;
	int r = wire_recv(s->control_fd, &m);

	if (r <= 0)
		return false;
	r = wire_dispatch(rules, ARRAY_LEN(rules), 1, s, &m);
	if (r < 0)
		printf("error bad record %u\n", m.head.type);
	return true;
}

static void run(struct stub *s)
{
	struct pollfd polls[2] = {{.fd = 0, .events = POLLIN},
				  {.fd = s->control_fd, .events = POLLIN}};
	static char line[4096];
	size_t used = 0;

	while (poll(polls, 2, -1) >= 0) {
		if (polls[1].revents && !on_record(s))
			break;
		if (polls[0].revents) {
			ssize_t n = read(0, line + used, sizeof(line) - used - 1);
			char *end;

			if (n <= 0)
				break;
			used += (size_t)n;
			line[used] = '\0';
			while ((end = strchr(line, '\n')) != NULL) {
				*end = '\0';
				on_line(s, line);
				used -= (size_t)(end + 1 - line);
				memmove(line, end + 1, used + 1);
			}
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct stub s = {.sockets_on = true};
	int dir_fd, status;
	char dir[] = "/tmp/ebb-gateway-stub-XXXXXX";

	if (argc < 3) {
		fprintf(stderr, "usage: gateway_stub GATEWAY PORT [LIMITS]...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	check(mkdtemp(dir) ? 0 : -1, "mkdtemp");
	dir_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	check(board_create(dir_fd, 1, &s.board, &s.board_fd), "board");
	check(unlinkat(dir_fd, "board", 0), "unlink");
	check(rmdir(dir), "rmdir");
	close(dir_fd);
	s.doorbell_fd = eventfd(0, EFD_CLOEXEC);
	check(stats_create(&s.stats_fd), "counters");
	s.access_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	s.listener_fd = make_listener(atoi(argv[2]));
	s.ring.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER |
		       IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
	s.ring.cq_entries = RING_CQ;
	s.ring_fd = io_uring_setup(RING_SQ, &s.ring);
	if (s.ring_fd < 0)
		errno = -s.ring_fd;
	check(s.ring_fd, "io_uring_setup");
	start_gateway(&s, argv[1]);
	send_config(&s, argc, argv);
	run(&s);
	close(s.control_fd);
	waitpid(s.gateway, &status, 0);
	printf("exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fflush(stdout);
	board_close(s.board);
	return 0;
}
