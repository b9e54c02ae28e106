// SPDX-License-Identifier: Apache-2.0
#include "calls.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOLD_MAX 1024

/* Connects to "http://127.0.0.1:N". */
static int open_url(const char *url)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	const char *colon = url ? strrchr(url, ':') : NULL;
	int fd = colon ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return -1;
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int ask(int fd, const char *path, const char *header, const char *connection)
{
	char text[4096];
	int n = snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nhost: callee\r\nconnection: %s\r\n%s%s\r\n", path,
			 connection, header, *header ? "\r\n" : "");

	return send(fd, text, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -1;
}

static size_t read_all(int fd, char *buf, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used < size && (n = recv(fd, buf + used, size - used, 0)) > 0)
		used += (size_t)n;
	return used;
}

/* Connections that stay open until each has its first bytes. */
static void hold(struct call *c, const char *url, const char *path, long count)
{
	static const char *const wanted[] = {"HTTP/1.1 200", "HTTP/1.1 503"};
	int fds[HOLD_MAX], opened = 0, got[3] = {0};

	for (; opened < count && opened < HOLD_MAX; opened++) {
		fds[opened] = open_url(url);
		if (fds[opened] < 0)
			break;
		(void)ask(fds[opened], path, "", "keep-alive");
	}
	for (int i = 0; i < opened; i++) {
		char line[13] = "";
		int kind = 0;

		(void)recv(fds[i], line, 12, MSG_WAITALL);
		while (kind < 2 && strcmp(line, wanted[kind]) != 0)
			kind++;
		got[kind]++;
	}
	for (int i = 0; i < opened; i++)
		close(fds[i]);
	call_printf(c, 200, "{\"opened\": %d, \"answered\": %d, \"refused\": %d, \"cut\": %d}\n",
		    opened, got[0], got[1], got[2]);
}

void on_calls(struct call *c)
{
	char name[64], path[1024] = "", header[512], own[2100];
	const char *url;
	long count = call_number(c, "hold", 0);
	int fd;

	call_text(c, "env", name, sizeof(name));
	call_text(c, "path", path, sizeof(path));
	call_text(c, "say", header, sizeof(header));
	url = getenv(name);
	if (count > 0) {
		hold(c, url, path, count);
		return;
	}
	snprintf(own, sizeof(own), "%s?%s", c->path, c->query);
	fd = open_url(url);
	if (fd < 0 || ask(fd, call_number(c, "again", 0) ? own : path, header, "close") < 0)
		call_printf(c, 500, "cannot call %s\n", url ? url : "nobody");
	else
		call_answer(c, 200, "text/plain", c->buf, read_all(fd, c->buf, sizeof(c->buf)));
	if (fd >= 0)
		close(fd);
}
