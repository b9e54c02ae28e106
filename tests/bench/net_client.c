// SPDX-License-Identifier: Apache-2.0
/*
 * A client and its server for bench_network.py: net_client serve ADDRESS PORT; net_client connect
 * ADDRESS PORT SECONDS prints connections per second and the median of connect(2) in us; net_client
 * send ADDRESS PORT SECONDS prints MB/s.
 *
 * The server has PORTS ports from that one on. With one port a client has 28,232 connections a
 * minute (ip_local_port_range, TIME_WAIT), and searches long for each of the last ones.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 1000000
#define BLOCK_BYTES 65536
#define BACKLOG     1024
#define PORTS       256

static char block[BLOCK_BYTES];

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in address_of(char **words)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};

	if (inet_pton(AF_INET, words[0], &a.sin_addr) != 1)
		exit(2);
	return a;
}

static struct sockaddr_in port_of(const struct sockaddr_in *a, size_t n)
{
	struct sockaddr_in one = *a;

	one.sin_port = htons((uint16_t)(ntohs(a->sin_port) + n % PORTS));
	return one;
}

static int listen_at(const struct sockaddr_in *a, size_t n)
{
	const struct sockaddr_in one = port_of(a, n);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (const void *)&one, sizeof(one)) < 0 || listen(fd, BACKLOG) < 0 ? -1 : fd;
}

static void take(int listener)
{
	int one = accept(listener, NULL, NULL);

	while (one >= 0 && recv(one, block, sizeof(block), 0) > 0)
		;
	close(one);
}

static int serve(const struct sockaddr_in *a)
{
	struct pollfd listeners[PORTS];

	for (size_t n = 0; n < PORTS; n++) {
		listeners[n] = (struct pollfd){.fd = listen_at(a, n), .events = POLLIN};
		if (listeners[n].fd < 0)
			return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		poll(listeners, PORTS, -1);
		for (size_t n = 0; n < PORTS; n++)
			if (listeners[n].revents)
				take(listeners[n].fd);
	}
}

static int dial(const struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (const void *)a, sizeof(*a)) == 0)
		return fd;
	perror("connect");
	exit(1);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int connects(const struct sockaddr_in *a, double seconds)
{
	double *took = calloc(SAMPLES_MAX, sizeof(*took)), begun = now_s(), end = begun + seconds;
	size_t count = 0;

	while (took && count < SAMPLES_MAX && now_s() < end) {
		double before = now_s();
		const struct sockaddr_in one = port_of(a, count);
		int fd = dial(&one);

		took[count++] = now_s() - before;
		close(fd);
	}
	if (count == 0)
		return 1;
	qsort(took, count, sizeof(*took), by_size);
	printf("%.1f %.2f\n", (double)count / (now_s() - begun), took[count / 2] * 1e6);
	return 0;
}

static int sends(const struct sockaddr_in *a, double seconds)
{
	double begun = now_s(), bytes = 0;
	int fd = dial(a);

	while (now_s() < begun + seconds) {
		ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		if (n <= 0)
			return 1;
		bytes += (double)n;
	}
	close(fd);
	printf("%.1f\n", bytes / 1e6 / (now_s() - begun));
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a;

	if (argc < 4)
		return 2;
	a = address_of(argv + 2);
	if (strcmp(argv[1], "serve") == 0)
		return serve(&a);
	if (argc != 5)
		return 2;
	return strcmp(argv[1], "connect") == 0 ? connects(&a, atof(argv[4]))
					       : sends(&a, atof(argv[4]));
}
