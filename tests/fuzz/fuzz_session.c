// SPDX-License-Identifier: Apache-2.0
/*
 * A whole connection of a client, through the whole gateway: real ring, real socket, tables, queue
 * and error replies. There is one service, which has no instance. The first byte of the input says
 * whether the rest is HTTP/1.1 or HTTP/2 behind its preface, and in pieces of how many bytes the
 * rest is sent. When the client is gone, the gateway must hold nothing for it: no slot, no buffer,
 * no place in the queue.
 */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/whole_gateway.h"

#define ROUNDS_MAX 1000
#define WAIT_MS    3   /* in the queue: a client that pipelined is not seen to leave before that */
#define GONE_MS    900 /* everything has ended by then */
#define QUIET      3   /* rounds without an event: nothing more will happen */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static void start(void)
{
	struct wire_route_put route = {.concurrency_max = 10,
				       .max_duration_ms = 10000,
				       .init_timeout_ms = WAIT_MS,
				       .name = "api",
				       .prefix = "/"};

	gateway_start(&route);
}

static void turn_until_quiet(int peer_fd)
{
	static char scrap[65536];

	for (int quiet = 0, n = 0; quiet < QUIET && n < ROUNDS_MAX; n++) {
		ssize_t got = peer_fd >= 0 ? recv(peer_fd, scrap, sizeof(scrap), MSG_DONTWAIT) : -1;

		quiet = gateway_turn() > 0 || got > 0 ? 0 : quiet + 1;
	}
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
	uint64_t until_ns = clock_mono_ns() + GONE_MS * NS_PER_MS;

	while (gateway.free_client_count < GATEWAY_CLIENTS && clock_mono_ns() < until_ns)
		if (gateway_turn() == 0)
			(void)poll(NULL, 0, 1);
	turn_until_quiet(-1);
	gateway_claim_empty();
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
	peer_fd = gateway_connect();
	if (data[0] & 1)
		say(peer_fd, preface, sizeof(preface) - 1, SIZE_MAX);
	say(peer_fd, data + 1, size - 1, data[0] & 2 ? (size_t)1 + data[0] / 4 : SIZE_MAX);
	close(peer_fd);
	check_nothing_left();
	return 0;
}
