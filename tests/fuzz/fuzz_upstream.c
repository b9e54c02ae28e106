// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes of an instance: a client asks through the whole gateway (real ring, real sockets), and
 * the instance answers with the input. The first byte of the input chooses the client's request and
 * its version of HTTP, the second the HTTP that the gateway is told the instance speaks, and the
 * size of the pieces in which the rest is sent. When the instance and the client are gone, the
 * gateway must hold nothing for them: no slot, no session, no buffer, no ticket.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/exchange/run.h"
#include "runtime/gateway/upstream/h2up.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/whole_gateway.h"

#define ROUNDS_MAX 1000
#define GONE_MS    2000
#define QUIET      3
#define STOCK      8

static const char *const asks[] = {
	"GET /a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
};
/* The preface, SETTINGS, and two streams: GET that has ended, POST that has not. */
static const char ask_h2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
			     "\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\1a"
			     "\0\0\6\1\4\0\0\0\3\x83\x86\x84\x41\1a"
			     "\0\0\2\0\0\0\0\0\3hi";

static int listener_fd;
static uint16_t port;

static void listen_somewhere(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);

	listener_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	claim(listener_fd >= 0);
	claim(bind(listener_fd, (struct sockaddr *)&a, size) == 0);
	claim(listen(listener_fd, 64) == 0);
	claim(getsockname(listener_fd, (struct sockaddr *)&a, &size) == 0);
	port = ntohs(a.sin_port);
}

static void start(void)
{
	struct wire_route_put route = {.concurrency_max = 10,
				       .max_duration_ms = 50,
				       .init_timeout_ms = 3,
				       .revision = 1,
				       .name = "api",
				       .prefix = "/"};

	listen_somewhere();
	gateway_start(&route);
}

static void drain(int fd, int *quiet)
{
	static char scrap[65536];

	if (fd >= 0 && recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT) > 0)
		*quiet = 0;
}

static void turn_until_quiet(int client_fd, int instance_fd)
{
	for (int quiet = 0, n = 0; quiet < QUIET && n < ROUNDS_MAX; n++) {
		quiet = gateway_turn() > 0 ? 0 : quiet + 1;
		drain(client_fd, &quiet);
		drain(instance_fd, &quiet);
	}
}

static void begin_instance(enum wire_http upstream)
{
	struct wire_instance_up up = {.revision = 1,
				      .socket_count = STOCK,
				      .backlog = 64,
				      .port = port,
				      .upstream = (uint16_t)upstream,
				      .id = "api-1"};
	int fds[1 + STOCK];

	fds[0] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	for (int n = 1; n <= STOCK; n++)
		fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	up.generation = board_open_slot(gateway.board, 0, 10, 0);
	board_move(gateway.board, 0, 1u << BOARD_STARTING, BOARD_RUNNING);
	claim(instances_up(&gateway.instances, &gateway.routes, &up, fds, clock_mono_ns()) == 0);
}

static void end_instance(void)
{
	struct wire_instance_down down = {.generation = gateway.instances.slots[0].generation,
					  .cause = WIRE_DOWN_STOPPED};

	board_move(gateway.board, 0, ~0u, BOARD_DEAD);
	exchange_instance_down(&gateway, &down);
	gateway.routes.services[0].http2_revision = 0;
}

static void check_nothing_left(void)
{
	uint64_t until_ns = clock_mono_ns() + GONE_MS * NS_PER_MS;
	int fd;

	while ((gateway.free_client_count < GATEWAY_CLIENTS ||
		gateway.up.free_count < gateway.up.slot_count) &&
	       clock_mono_ns() < until_ns) {
		if (gateway_turn() == 0)
			(void)poll(NULL, 0, 1);
		while ((fd = accept(listener_fd, NULL, NULL)) >= 0)
			close(fd);
	}
	turn_until_quiet(-1, -1);
	gateway_claim_empty();
	claim(h2up_open_sessions(&gateway.up) == 0);
	claim(board_tickets(board_load(gateway.board, 0)) == 0);
}

/* The first two connections each get the same answer, a third is closed without one. */
static void answer(int client_fd, const uint8_t *data, size_t size, size_t piece)
{
	for (int n = 0; n < 3; n++) {
		int fd = accept(listener_fd, NULL, NULL);
		const uint8_t *at = data;

		turn_until_quiet(client_fd, fd);
		if (fd < 0)
			continue;
		for (size_t left = size; n < 2 && left > 0;) {
			size_t some = left < piece ? left : piece;

			if (send(fd, at, some, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)some)
				break;
			turn_until_quiet(client_fd, fd);
			at += some;
			left -= some;
		}
		close(fd);
		turn_until_quiet(client_fd, -1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	const char *ask;
	int client_fd;

	if (!started)
		start();
	started = true;
	if (size < 3)
		return 0;
	begin_instance((enum wire_http)(data[1] % WIRE_HTTP_COUNT));
	client_fd = gateway_connect();
	ask = asks[data[0] / 2 % 4];
	if (data[0] & 1)
		(void)!send(client_fd, ask_h2, sizeof(ask_h2) - 1, MSG_NOSIGNAL);
	else
		(void)!send(client_fd, ask, strlen(ask), MSG_NOSIGNAL);
	turn_until_quiet(client_fd, -1);
	answer(client_fd, data + 2, size - 2, data[1] & 128 ? (size_t)1 + data[1] / 4 : SIZE_MAX);
	close(client_fd);
	end_instance();
	check_nothing_left();
	return 0;
}
