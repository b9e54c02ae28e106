// SPDX-License-Identifier: Apache-2.0
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* ip(7), since Linux 6.3 */
#endif
#define WORDS_MAX    200
#define DATAGRAM_MAX 32768

/* kind: "tcp", "udp", "ping", "raw", "packet". from: the source address, "" for the instance's own.
 * from_port: of a source address, 0 for any. only_port: connect(2) may choose this one only, 0: it
 * may choose any. size: bytes of a datagram. */
struct dial {
	const char *kind, *to, *from;
	long port, from_port, only_port, size, wait_ms;
};

socklen_t dial_address_parse(const char *text, long port, union dial_address *out)
{
	memset(out, 0, sizeof(*out));
	if (strchr(text, ':')) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1 ? sizeof(out->v6) : 0;
	}
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, text, &out->v4.sin_addr) == 1 ? sizeof(out->v4) : 0;
}

static int open_socket(const struct dial *d, int family)
{
	if (strcmp(d->kind, "packet") == 0)
		return socket(AF_PACKET, SOCK_RAW, 0);
	if (strcmp(d->kind, "raw") == 0)
		return socket(family, SOCK_RAW, IPPROTO_TCP);
	if (strcmp(d->kind, "ping") == 0)
		return socket(family, SOCK_DGRAM,
			      family == AF_INET ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
	return socket(family, strcmp(d->kind, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM, 0);
}

/* IP_FREEBIND, ip(7): the address need not be one of this network namespace. */
static int bind_from(int fd, const struct dial *d, int family)
{
	const int on = 1;
	union dial_address from;
	socklen_t size;

	if (!*d->from)
		return 0;
	size = dial_address_parse(d->from, d->from_port, &from);
	if (size == 0 || from.any.sa_family != family) {
		errno = EINVAL;
		return -1;
	}
	if (setsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		       family == AF_INET ? IP_FREEBIND : IPV6_FREEBIND, &on, sizeof(on)) < 0)
		return -1;
	return bind(fd, &from.any, size);
}

static void said(char *out, size_t size, int error)
{
	snprintf(out, size, "%s",
		 error == ETIMEDOUT || error == EAGAIN ? "timeout" : strerrorname_np(error));
}

static int wait_until(int fd, short events, long wait_ms)
{
	struct pollfd one = {.fd = fd, .events = events};
	int n = poll(&one, 1, (int)wait_ms);

	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : -1;
}

static int send_first(int fd, const struct dial *d, int family)
{
	char *bytes = calloc(1, DATAGRAM_MAX);
	size_t size = d->size > 0 && d->size < DATAGRAM_MAX ? (size_t)d->size : 4;
	ssize_t sent;

	if (!bytes)
		return -1;
	memcpy(bytes, "ping", 4);
	if (strcmp(d->kind, "ping") == 0) {
		memset(bytes, 0, size < 8 ? (size = 8) : size);
		bytes[0] = family == AF_INET ? ICMP_ECHO : (char)128;
	}
	sent = send(fd, bytes, size, MSG_NOSIGNAL);
	free(bytes);
	return sent < 0 ? -1 : 0;
}

/* The first words of the other side; a server that waits for words gets four bytes. */
static void converse(int fd, const struct dial *d, int family, char *out, size_t size)
{
	char words[WORDS_MAX + 1];
	ssize_t n;

	if (send_first(fd, d, family) < 0 || wait_until(fd, POLLIN, d->wait_ms) < 0 ||
	    (n = recv(fd, words, WORDS_MAX, 0)) < 0) {
		if (strcmp(d->kind, "tcp") == 0 && errno == ETIMEDOUT)
			snprintf(out, size, "connected");
		else
			said(out, size, errno);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (words[i] < ' ' || words[i] > '~' || words[i] == '"' || words[i] == '\\')
			words[i] = '.';
	words[n] = '\0';
	snprintf(out, size, "got %s", words);
}

static void dial(const struct dial *d, char *out, size_t size)
{
	union dial_address to;
	socklen_t to_size = dial_address_parse(d->to, d->port, &to), error_size = sizeof(int);
	int fd = to_size ? open_socket(d, to.any.sa_family) : -1, error = 0;

	if (to_size == 0)
		errno = EINVAL;
	if (fd < 0 || bind_from(fd, d, to.any.sa_family) < 0) {
		said(out, size, errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	if (strcmp(d->kind, "tcp") == 0) {
		struct timeval wait = {d->wait_ms / 1000, d->wait_ms % 1000 * 1000};

		(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	}
	if (d->only_port) {
		uint32_t range = (uint32_t)(d->only_port << 16 | d->only_port);

		(void)setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
	}
	if (connect(fd, &to.any, to_size) < 0)
		said(out, size, errno == EINPROGRESS ? ETIMEDOUT : errno);
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0 && error)
		said(out, size, error);
	else
		converse(fd, d, to.any.sa_family, out, size);
	close(fd);
}

void on_dial(struct call *c)
{
	char kind[16], to[64], from[64], out[256];
	struct timespec begun, done;
	struct dial d = {.kind = kind,
			 .to = to,
			 .from = from,
			 .port = call_number(c, "port", 0),
			 .from_port = call_number(c, "from_port", 0),
			 .only_port = call_number(c, "only_port", 0),
			 .size = call_number(c, "size", 0),
			 .wait_ms = call_number(c, "ms", 2000)};

	call_text(c, "kind", kind, sizeof(kind));
	call_text(c, "to", to, sizeof(to));
	call_text(c, "from", from, sizeof(from));
	clock_gettime(CLOCK_MONOTONIC, &begun);
	dial(&d, out, sizeof(out));
	clock_gettime(CLOCK_MONOTONIC, &done);
	call_printf(c, 200, "{\"result\": \"%s\", \"ms\": %ld}\n", out,
		    (done.tv_sec - begun.tv_sec) * 1000 + (done.tv_nsec - begun.tv_nsec) / 1000000);
}
