// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/network.h"

#define MAPPED_BITS  96
#define POOL6_BITS   64
#define PARTS        32 /* of 198.18.0.0/15 */
#define TRIES        8
#define V4_AT        12 /* in an address behind ::ffff */
#define PREFIX_CHARS 10 /* four digits follow in an interface's name of 15 */

/* Small letters, digits and dashes: fit for a name of an interface, everywhere. */
static bool prefix_holds(const char *prefix)
{
	size_t n = strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n >= 2 && n <= PREFIX_CHARS && prefix[n] == '\0';
}

static int read_v4(const struct config *c, uint8_t out[4])
{
	struct wire_network n;

	if (network_parse(c->net_pool, &n) < 0 || n.bits != MAPPED_BITS + POOL_BITS ||
	    n.address[10] != 0xff)
		return -EINVAL;
	memcpy(out, n.address + V4_AT, 4);
	return 0;
}

static int read_v6(const struct config *c, uint8_t out[16])
{
	struct wire_network n;

	if (!strchr(c->net_pool6, ':') || network_parse(c->net_pool6, &n) < 0 ||
	    n.bits != POOL6_BITS)
		return -EINVAL;
	memcpy(out, n.address, 16);
	return 0;
}

int pool_check(const struct config *c, struct fault *f)
{
	uint8_t v4[4], v6[16];

	if (*c->net_pool && read_v4(c, v4) < 0)
		return fault_say(f, -EINVAL,
				 "net_pool: %s is not an IPv4 network of 4096 addresses, such as "
				 "198.18.16.0/20",
				 c->net_pool);
	if (*c->net_pool6 && read_v6(c, v6) < 0)
		return fault_say(f, -EINVAL,
				 "net_pool6: %s is not an IPv6 network of /64, such as "
				 "fd00:0:0:1::/64",
				 c->net_pool6);
	if (*c->net_prefix && !prefix_holds(c->net_prefix))
		return fault_say(f, -EINVAL, "net_prefix: %s is not 2 to 10 of a-z, 0-9 and -",
				 c->net_prefix);
	if (*c->egress_resolver && strcmp(c->egress_resolver, "none") != 0 &&
	    inet_pton(AF_INET, c->egress_resolver, v4) != 1)
		return fault_say(f, -EINVAL,
				 "egress_resolver: %s is not an IPv4 address such as 192.0.2.53, "
				 "or none",
				 c->egress_resolver);
	return 0;
}

/* The first IPv4 nameservers of the host's resolv.conf(5). */
static void find_resolvers(struct pool *p)
{
	char line[256], address[64];
	FILE *f = fopen("/etc/resolv.conf", "re");

	while (f && p->resolver_count < RESOLVERS_MAX && fgets(line, sizeof(line), f))
		if (sscanf(line, "nameserver %63s", address) == 1 &&
		    inet_pton(AF_INET, address, p->resolvers[p->resolver_count]) == 1)
			p->resolver_count++;
	if (f)
		fclose(f);
}

/* Only root writes there, so nobody else can keep a part from us. */
#define LOCKS "/run"

static int name_lock(const uint8_t v4[4], char *out, size_t size)
{
	struct stat own;

	if (stat("/proc/self/ns/net", &own) < 0)
		return -errno;
	return text_format(out, size, LOCKS "/ebb-pool-%llu-%u.%u.%u.%u.lock",
			   (unsigned long long)own.st_ino, v4[0], v4[1], v4[2], v4[3]);
}

/* Whether the path still leads to the file: a holder that ended has removed it. */
static bool is_there(int fd, const char *path)
{
	struct stat ours, theirs;

	return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
	       ours.st_dev == theirs.st_dev;
}

/* 0 with the file that holds the part, by a lock that ends with this process; -EADDRINUSE if
 * another ebbd has it; or -errno. */
static int hold(const uint8_t v4[4], struct pool *p)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[sizeof(p->lock)];
	int r = name_lock(v4, path, sizeof(path));

	for (int i = 0; r == 0 && i < TRIES; i++) {
		SCOPED_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -errno;
		if (fcntl(fd, F_SETLK, &whole) < 0)
			return errno == EACCES || errno == EAGAIN ? -EADDRINUSE : -errno;
		if (!is_there(fd, path))
			continue;
		p->held_fd = keep_fd(&fd);
		memcpy(p->v4, v4, sizeof(p->v4));
		return text_copy(p->lock, sizeof(p->lock), path);
	}
	return r < 0 ? r : -EADDRINUSE;
}

static int hold_any(uint64_t hash, struct pool *p)
{
	int r = -EADDRINUSE;

	for (uint32_t i = 0; r == -EADDRINUSE && i < PARTS; i++) {
		uint32_t part = (uint32_t)((hash + i) % PARTS);
		const uint8_t v4[4] = {198, (uint8_t)(18 + part / 16), (uint8_t)(part % 16 * 16),
				       0};

		r = hold(v4, p);
	}
	return r;
}

/* A network of its own for each host and tree, with a number that nobody chose (RFC 4193). */
static void derive_v6(const struct config *c, uint64_t hash, uint8_t out[16])
{
	uint64_t number = hash ^ text_hash(c->node, strlen(c->node));

	memset(out, 0, 16);
	out[0] = 0xfd;
	for (int i = 1; i < 6; i++, number >>= 8)
		out[i] = (uint8_t)number;
}

static int hold_pool(const struct config *c, uint64_t hash, struct pool *p)
{
	uint8_t v4[4];

	if (!*c->net_pool)
		return hold_any(hash, p);
	(void)read_v4(c, v4); /* pool_check has */
	return hold(v4, p);
}

int pool_open(const struct config *c, struct pool *out, struct fault *f)
{
	uint64_t hash = text_hash(c->cgroup, strlen(c->cgroup));
	struct pool p = {.held_fd = -1};
	int r = hold_pool(c, hash, &p);

	if (r < 0) {
		(void)fault_errno(f, r, "no addresses for instances: %s",
				  *c->net_pool ? c->net_pool : "198.18.0.0/15 is used up");
		fault_mend(f, "give this ebbd a network of its own with --set net_pool=NETWORK/20, "
			      "or none with --set egress=off");
		return r;
	}
	if (*c->net_pool6)
		(void)read_v6(c, p.v6);
	else
		derive_v6(c, hash, p.v6);
	if (*c->net_prefix)
		(void)text_copy(p.prefix, sizeof(p.prefix), c->net_prefix);
	else
		(void)text_format(p.prefix, sizeof(p.prefix), "ebb%06x-",
				  (unsigned int)(hash & 0xffffff));
	(void)text_format(p.table, sizeof(p.table), "ebb_%08x", (unsigned int)hash);
	if (!*c->egress_resolver)
		find_resolvers(&p);
	else if (strcmp(c->egress_resolver, "none") != 0)
		p.resolver_count = inet_pton(AF_INET, c->egress_resolver, p.resolvers[0]) == 1;
	*out = p;
	return 0;
}

void pool_close(struct pool *p)
{
	if (p->held_fd >= 0)
		(void)unlink(p->lock);
	fd_close(&p->held_fd);
}
