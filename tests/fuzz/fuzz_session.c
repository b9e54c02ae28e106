// SPDX-License-Identifier: Apache-2.0
/*
 * A whole connection of a client, through the whole gateway: real ring, real socket, tables, queue
 * and error replies; one service, which has no instance. The first byte of the input says whether
 * the rest is HTTP/1.1 or HTTP/2 behind its preface, and how large the pieces are in which it
 * comes. When the client is gone, nothing of it may be left: no slot, no buffer, nobody in the
 * queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/proxy.h"
#include "runtime/wire/channel.h"
#include "tests/fuzz/fuzz.h"

#define CLIENTS     64u
#define UNITS       512u
#define LARGE_COUNT 16u
#define ROUNDS_MAX  1000
#define WAIT_MS     3   /* in the queue: whoever pipelined is not seen to go before that */
#define GONE_MS     900 /* everything has ended by then */
#define QUIET       3   /* rounds without an event: nothing more will happen */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static struct proxy proxy;
static struct loop loop;
static struct buffers buffers;
static int ebbd_fd;

static void make_ring(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_R_DISABLED |
						  IORING_SETUP_SINGLE_ISSUER |
						  IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
					 .cq_entries = 4096};
	int fd = (int)syscall(SYS_io_uring_setup, 256, &params);

	claim(fd >= 0);
	claim(loop_init(&loop, fd, &params) == 0);
	claim(buffers_init(&buffers, &loop, UNITS, LARGE_COUNT, 65536 + 32768) == 0);
}

static void configure(void)
{
	int dir_fd = open("/dev/shm", O_RDONLY | O_DIRECTORY), board_fd, stats_fd, pair[2];

	claim(board_create(dir_fd, 1, &proxy.board, &board_fd) == 0);
	claim(stats_create(&stats_fd) == 0);
	claim(wire_pair(&pair[0], &pair[1]) == 0);
	proxy.control_fd = pair[0];
	ebbd_fd = pair[1];
	claim(fcntl(ebbd_fd, F_SETFL, O_NONBLOCK) == 0);
	proxy.config = (struct wire_gateway_config){.gateway_count = 1,
						    .head_bytes_max = 65536,
						    .connections_max = CLIENTS,
						    .queue_max = 16,
						    .queue_age_ms_max = WAIT_MS,
						    .head_timeout_ms = 10000,
						    .idle_timeout_ms = 10000,
						    .head_fields_max = 100,
						    .target_bytes_max = 8192,
						    .h2c_streams = 16};
	proxy.doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	claim(account_init(&proxy.account, stats_fd, open("/dev/null", O_WRONLY), 1, CLIENTS) == 0);
}

static void start(void)
{
	struct wire_route_put route = {.concurrency_max = 10,
				       .max_duration_ms = 10000,
				       .init_timeout_ms = WAIT_MS,
				       .name = "api",
				       .prefix = "/"};

	make_ring();
	configure();
	claim(proxy_init(&proxy, &loop, &buffers) == 0);
	claim(loop_enable(&loop) == 0);
	claim(control_init(&proxy) == 0);
	claim(routes_put(&proxy.routes, &route) == 0);
	proxy.routes_known = true;
}

/* What loop_run does once, without waiting. */
static unsigned int turn(void)
{
	struct io_uring_cqe *cqe;
	unsigned int head, count = 0;

	loop.before_wait(&proxy);
	(void)io_uring_submit(&loop.ring);
	(void)io_uring_get_events(&loop.ring);
	loop.now_ns = clock_mono_ns();
	io_uring_for_each_cqe(&loop.ring, head, cqe)
	{
		enum loop_op op = (enum loop_op)(cqe->user_data >> 56);
		struct loop_event event = {.index = (uint32_t)(cqe->user_data >> 32) & 0xffffff,
					   .life = (uint32_t)cqe->user_data,
					   .res = cqe->res,
					   .flags = cqe->flags};

		if (op > LOOP_IGNORE && op < LOOP_OP_COUNT)
			loop.handlers[op](&proxy, &event);
		count++;
	}
	io_uring_cq_advance(&loop.ring, count);
	return count;
}

static void turn_until_quiet(int peer_fd)
{
	static char scrap[65536];

	for (int quiet = 0, n = 0; quiet < QUIET && n < ROUNDS_MAX; n++) {
		ssize_t got = peer_fd >= 0 ? recv(peer_fd, scrap, sizeof(scrap), MSG_DONTWAIT) : -1;

		quiet = turn() > 0 || got > 0 ? 0 : quiet + 1;
	}
}

static int connect_client(void)
{
	struct loop_event event = {.flags = IORING_CQE_F_MORE};
	int pair[2];

	claim(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	event.res = pair[0];
	client_on_accept(&proxy, &event);
	return pair[1];
}

static void say(int peer_fd, const void *bytes, size_t size, size_t piece)
{
	const char *at = bytes;

	while (size > 0) {
		size_t n = size < piece ? size : piece;

		if (send(peer_fd, at, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
			return; /* it does not listen any more */
		turn_until_quiet(peer_fd);
		at += n;
		size -= n;
	}
}

static void check_nothing_left(void)
{
	static char scrap[WIRE_RECORD_MAX];
	uint64_t until_ns = clock_mono_ns() + GONE_MS * NS_PER_MS;

	while (proxy.free_client_count < CLIENTS && clock_mono_ns() < until_ns)
		if (turn() == 0)
			(void)poll(NULL, 0, 1);
	turn_until_quiet(-1);
	claim(proxy.free_client_count == CLIENTS);
	claim(proxy.queued == 0);
	claim(proxy.free_upstream_count == proxy.upstream_count);
	claim(buffers.free_unit_count + buffers.in_ring == UNITS);
	claim(buffers.free_large_count == LARGE_COUNT);
	while (recv(ebbd_fd, scrap, sizeof(scrap), MSG_DONTWAIT) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	int peer_fd;

	if (!started)
		start();
	started = true;
	if (size < 2)
		return 0;
	peer_fd = connect_client();
	if (data[0] & 1)
		say(peer_fd, preface, sizeof(preface) - 1, SIZE_MAX);
	say(peer_fd, data + 1, size - 1, data[0] & 2 ? (size_t)1 + data[0] / 4 : SIZE_MAX);
	close(peer_fd);
	check_nothing_left();
	return 0;
}
