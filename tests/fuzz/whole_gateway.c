// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/whole_gateway.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/gateway/client/client.h"
#include "runtime/gateway/hear/hear.h"
#include "runtime/wire/channel.h"
#include "tests/fuzz/fuzz.h"

#define UNITS       512u
#define LARGE_COUNT 16u

struct gateway gateway;
static struct ring ring;
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
	claim(ring_init(&ring, fd, &params) == 0);
	claim(buffers_init(&buffers, &ring, UNITS, LARGE_COUNT, 65536 + 32768) == 0);
}

static void configure(const struct wire_route_put *route)
{
	int dir_fd = open("/dev/shm", O_RDONLY | O_DIRECTORY), board_fd, stats_fd, pair[2];

	claim(board_create(dir_fd, 1, &gateway.board, &board_fd) == 0);
	claim(stats_create(&stats_fd) == 0);
	claim(wire_pair(&pair[0], &pair[1]) == 0);
	gateway.tell.fd = pair[0];
	ebbd_fd = pair[1];
	claim(fcntl(ebbd_fd, F_SETFL, O_NONBLOCK) == 0);
	gateway.config = (struct wire_gateway_config){.gateway_count = 1,
						      .head_bytes_max = 65536,
						      .connections_max = GATEWAY_CLIENTS,
						      .queue_max = 16,
						      .queue_age_ms_max = route->init_timeout_ms,
						      .head_timeout_ms = 10000,
						      .idle_timeout_ms = 10000,
						      .head_fields_max = 100,
						      .target_bytes_max = 8192,
						      .h2c_streams = 16};
	gateway.doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	claim(account_init(&gateway.account, stats_fd, open("/dev/null", O_WRONLY), 1,
			   GATEWAY_CLIENTS) == 0);
}

void gateway_start(const struct wire_route_put *route)
{
	make_ring();
	configure(route);
	claim(gateway_init(&gateway, &ring, &buffers) == 0);
	claim(ring_enable(&ring) == 0);
	claim(hear_init(&gateway) == 0);
	claim(routes_put(&gateway.routes, route) == 0);
	gateway.routes_known = true;
}

unsigned int gateway_turn(void)
{
	struct io_uring_cqe *cqe;
	unsigned int head, count = 0;

	ring.before_wait(&gateway);
	(void)io_uring_submit(&ring.uring);
	(void)io_uring_get_events(&ring.uring);
	ring.now_ns = clock_mono_ns();
	io_uring_for_each_cqe(&ring.uring, head, cqe)
	{
		enum ring_op op = (enum ring_op)(cqe->user_data >> 56);
		struct ring_event event = {.index = (uint32_t)(cqe->user_data >> 32) & 0xffffff,
					   .life = (uint32_t)cqe->user_data,
					   .res = cqe->res,
					   .flags = cqe->flags};

		if (op > RING_IGNORE && op < RING_OP_COUNT)
			ring.handlers[op](&gateway, &event);
		count++;
	}
	io_uring_cq_advance(&ring.uring, count);
	return count;
}

int gateway_connect(void)
{
	struct ring_event event = {.flags = IORING_CQE_F_MORE};
	int pair[2];

	claim(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	event.res = pair[0];
	client_on_accept(&gateway, &event);
	return pair[1];
}

void gateway_claim_empty(void)
{
	static char scrap[WIRE_RECORD_MAX];

	claim(gateway.free_client_count == GATEWAY_CLIENTS);
	claim(gateway.queued == 0);
	claim(gateway.up.free_count == gateway.up.slot_count);
	claim(buffers.free_unit_count + buffers.in_ring == UNITS);
	claim(buffers.free_large_count == LARGE_COUNT);
	while (recv(ebbd_fd, scrap, sizeof(scrap), MSG_DONTWAIT) > 0)
		;
}
