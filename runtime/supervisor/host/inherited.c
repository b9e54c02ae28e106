// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/inherited.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/listeners.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* "127.0.0.1:8080" or "[::1]:8080". */
static int format_address(const struct sockaddr_storage *from, char *out, size_t size)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;
	char host[INET6_ADDRSTRLEN] = "";

	if (from->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		return text_format(out, size, "%s:%u", host, ntohs(v4->sin_port));
	}
	if (from->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
	return text_format(out, size, "[%s]:%u", host, ntohs(v6->sin6_port));
}

/* -errno if fd is no listening TCP socket. MPTCP is TCP to its users. */
static int take_one(int fd, struct inherited_socket *out)
{
	const int on = 1;
	struct sockaddr_storage from = {0};
	socklen_t size = sizeof(from), int_size = sizeof(int);
	int listens = 0, protocol = 0, flags = fcntl(fd, F_GETFL), r;

	if (flags < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_size) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &int_size) < 0 ||
	    getsockname(fd, (struct sockaddr *)&from, &size) < 0)
		return -errno;
	if (!listens || (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP))
		return -EINVAL;
	r = format_address(&from, out->address, sizeof(out->address));
	if (r == 0 && setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0)
		r = -errno;
	out->fd = fd;
	return r;
}

/* How many sockets were passed to this process. */
static uint64_t count_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t who, count;

	if (!pid || !fds || text_parse_u64(pid, 1, UINT32_MAX, &who) < 0 ||
	    who != (uint64_t)getpid() || text_parse_u64(fds, 0, UINT16_MAX, &count) < 0)
		return 0;
	return count;
}

/* The socket with this address. NULL: none. */
static const struct inherited_socket *find(const struct inherited *i, const char *address)
{
	for (uint32_t n = 0; n < i->count; n++)
		if (listener_same(i->sockets[n].address, address))
			return &i->sockets[n];
	return NULL;
}

int inherited_take(struct inherited *out, struct fault *f)
{
	const char *given = getenv("LISTEN_FDNAMES");
	uint64_t count = count_fds();
	char names[1024] = "", *rest = names;
	int r = given ? text_copy(names, sizeof(names), given) : 0;

	*out = (struct inherited){0};
	if (r < 0 || count > LISTENERS_MAX)
		return fault_say(f, -E2BIG, "more than %d sockets in LISTEN_FDS, or long names",
				 LISTENERS_MAX);
	for (uint32_t n = 0; n < count; n++) {
		const char *name = strsep(&rest, ":");
		struct inherited_socket *s = &out->sockets[n];

		r = take_one(FIRST_FD + (int)n, s);
		if (r < 0)
			return fault_errno(f, r,
					   "socket %u of LISTEN_FDS (%s) does not listen for TCP",
					   n + 1, name ? name : "");
		if (find(out, s->address))
			return fault_say(f, -EINVAL,
					 "socket %u of LISTEN_FDS (%s) has the address of another",
					 n + 1, name ? name : "");
		s->proxy = name && strcmp(name, INHERITED_PROXY) == 0;
		out->count++;
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return 0;
}

static int index_of(const struct config *c, const char *address)
{
	for (uint32_t n = 0; n < c->listener_count; n++)
		if (listener_same(c->listeners[n], address))
			return (int)n;
	return -ENOENT;
}

int inherited_add(const struct inherited *i, struct config *c, struct fault *f)
{
	if (i->count > 0 && c->default_listener)
		c->listener_count = 0;
	for (uint32_t n = 0; n < i->count; n++) {
		const struct inherited_socket *s = &i->sockets[n];
		int at = index_of(c, s->address);

		if (at < 0 && c->listener_count == LISTENERS_MAX)
			return fault_say(f, -EINVAL, "%s is one listener too many; at most %d",
					 s->address, LISTENERS_MAX);
		if (at < 0) {
			at = (int)c->listener_count++;
			memcpy(c->listeners[at], s->address, sizeof(s->address));
			c->proxy_listeners &= ~(1u << at);
		}
		c->proxy_listeners |= (uint32_t)s->proxy << at;
	}
	return config_check_fronts(c, f);
}

int inherited_listener(const struct inherited *i, const char *address)
{
	const struct inherited_socket *s = find(i, address);
	int fd = s ? fcntl(s->fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (!s)
		return -ENOENT;
	return fd < 0 ? -errno : fd;
}
