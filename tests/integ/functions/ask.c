// SPDX-License-Identifier: Apache-2.0
#include "ask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX 4096

static size_t from_hex(const char *hex, unsigned char *out)
{
	size_t n = 0;

	for (; n < BYTES_MAX && hex[2 * n] && hex[2 * n + 1]; n++)
		if (sscanf(hex + 2 * n, "%2hhx", &out[n]) != 1)
			break;
	return n;
}

/* All that comes until nothing comes for so long, or the other side closes; a datagram is one. */
static ssize_t receive(int fd, int datagram, unsigned char *out, int wait_ms)
{
	ssize_t all = 0, n = 1;

	while (n > 0 && all < BYTES_MAX) {
		struct pollfd one = {.fd = fd, .events = POLLIN};

		if (poll(&one, 1, all > 0 ? 100 : wait_ms) <= 0)
			break;
		n = recv(fd, out + all, (size_t)(BYTES_MAX - all), 0);
		if (n < 0)
			return all > 0 ? all : -1;
		all += n;
		if (datagram)
			break;
	}
	return all;
}

void on_ask(struct call *c)
{
	static _Thread_local unsigned char bytes[BYTES_MAX];
	static _Thread_local char hex[2 * BYTES_MAX + 1];
	char kind[16], to[64];
	struct sockaddr_in target = {.sin_family = AF_INET,
				     .sin_port = htons((uint16_t)call_number(c, "port", 53))};
	int datagram, fd;
	size_t size;
	ssize_t n = -1;

	call_text(c, "kind", kind, sizeof(kind));
	call_text(c, "to", to, sizeof(to));
	call_text(c, "data", hex, sizeof(hex));
	size = from_hex(hex, bytes);
	inet_pton(AF_INET, to, &target.sin_addr);
	datagram = strcmp(kind, "udp") == 0;
	fd = socket(AF_INET, datagram ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&target, sizeof(target)) == 0) {
		for (long i = call_number(c, "times", 1); i > 0; i--)
			n = send(fd, bytes, size, MSG_NOSIGNAL);
		if (n >= 0)
			n = receive(fd, datagram, bytes, (int)call_number(c, "ms", 2000));
	}
	if (n < 0)
		snprintf(hex, sizeof(hex), "%s", strerrorname_np(errno));
	for (ssize_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	if (n == 0)
		hex[0] = '\0';
	close(fd);
	call_printf(c, 200, "{\"%s\": \"%s\"}\n", n < 0 ? "error" : "answer", hex);
}
