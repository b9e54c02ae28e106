// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/text.h"

#define BACKLOG 4096

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Numeric addresses only: root resolves no names. */
static int parse(const char *text, union address *out, socklen_t *out_size)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	uint64_t port;

	if (!colon || n >= sizeof(host) || text_parse_u64(colon + 1, 0, 65535, &port) < 0)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	if (text[0] == '[' && n > 2 && text[n - 1] == ']') {
		memcpy(host, text + 1, n - 2);
		host[n - 2] = '\0';
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)port);
		*out_size = sizeof(out->v6);
		return inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1 ? 0 : -EINVAL;
	}
	memcpy(host, text, n);
	host[n] = '\0';
	out->v4.sin_family = AF_INET;
	out->v4.sin_port = htons((uint16_t)port);
	*out_size = sizeof(out->v4);
	return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1 ? 0 : -EINVAL;
}

/* Every address as one of IPv6, IPv4 as ::ffff:a.b.c.d. */
static struct sockaddr_in6 as_v6(const union address *a)
{
	struct sockaddr_in6 out = a->v6;

	if (a->any.sa_family == AF_INET6)
		return out;
	out = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = a->v4.sin_port};
	out.sin6_addr.s6_addr[10] = out.sin6_addr.s6_addr[11] = 0xff;
	memcpy(out.sin6_addr.s6_addr + 12, &a->v4.sin_addr, sizeof(a->v4.sin_addr));
	return out;
}

bool listener_same(const char *a, const char *b)
{
	union address x, y;
	struct sockaddr_in6 p, q;
	socklen_t size;

	if (parse(a, &x, &size) < 0 || parse(b, &y, &size) < 0)
		return strcmp(a, b) == 0;
	p = as_v6(&x);
	q = as_v6(&y);
	return p.sin6_port == q.sin6_port &&
	       memcmp(&p.sin6_addr, &q.sin6_addr, sizeof(p.sin6_addr)) == 0;
}

/* Above the ids of users, and above those of instances unless id_base was set higher. */
#define OWNER_BASE 0x80000000u
#define OWNER_BITS 30

int listener_owner(int lock_fd, uint32_t *out)
{
	struct stat st;
	uint64_t h;

	if (fstat(lock_fd, &st) < 0)
		return -errno;
	h = ((uint64_t)st.st_dev << 32 ^ (uint64_t)st.st_ino) * UINT64_C(0x9e3779b97f4a7c15);
	*out = OWNER_BASE | (uint32_t)(h >> (64 - OWNER_BITS));
	return 0;
}

/* The kernel shares a port by SO_REUSEPORT among sockets of one owner only. Sockets of root would
 * share the port with every other ebbd and now and then lose clients to that ebbd. So each ebbd has
 * an owner of its own. An ebbd that starts after a killed one gets the same owner and need not wait
 * for the old gateways. */
static int listen_on(const union address *address, socklen_t size, uint32_t owner)
{
	const int on = 1;
	SCOPED_FD fd =
		socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || fchown(fd, owner, (gid_t)-1) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
	    bind(fd, &address->any, size) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return keep_fd(&fd);
}

int listener_tcp(const char *address, uint32_t owner, struct fault *f)
{
	union address parsed;
	socklen_t size;
	int r = parse(address, &parsed, &size);

	if (r == 0)
		r = listen_on(&parsed, size, owner);
	if (r == -EADDRINUSE) {
		(void)fault_say(f, r,
				"cannot listen on %s: another ebbd or another program does, see "
				"`ss -ltnp`",
				address);
		fault_mend(f, "stop it, or choose another address with --listen ADDR:PORT");
	} else if (r < 0) {
		(void)fault_errno(f, r, "cannot listen on %s", address);
	}
	return r;
}

static int find_group(const char *name, gid_t *out)
{
	const struct group *g = *name ? getgrnam(name) : NULL;

	if (*name && !g)
		return -ESRCH;
	*out = g ? g->gr_gid : 0;
	return 0;
}

int listener_may_have_group(const char *group, struct fault *f)
{
	gid_t gid;
	int r = find_group(group, &gid);

	return r < 0 ? fault_say(f, r, "there is no such group: %s", group) : 0;
}

int listener_give_to_group(const char *path, const char *group)
{
	gid_t gid;
	int r = find_group(group, &gid);

	if (r < 0)
		return r;
	return chown(path, 0, gid) < 0 ? -errno : 0;
}

int listener_unix(const char *path, const char *group, struct fault *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -errno : text_copy(address.sun_path, sizeof(address.sun_path), path);

	if (r == 0) {
		mode_t old;

		(void)unlink(path);
		old = umask(0117); /* 0660 from its first moment */
		if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
			r = -errno;
		umask(old);
	}
	if (r == 0 && listen(fd, 128) < 0)
		r = -errno;
	if (r == 0)
		r = listener_give_to_group(path, group);
	if (r == -ESRCH)
		return fault_say(f, r, "cannot serve the API on %s: there is no such group: %s",
				 path, group);
	if (r < 0)
		return fault_errno(f, r, "cannot serve the API on %s", path);
	return keep_fd(&fd);
}
