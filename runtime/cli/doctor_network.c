// SPDX-License-Identifier: Apache-2.0
/* Needs of instances that have a network. Services without a network need none of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns/link.h"
#include "netns/table.h"
#include "netns/watch.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/doctor.h"

#define X(name, words) [NET_STEP_##name] = words,
static const char *const step_words[NET_STEP_COUNT] = {NET_STEPS(X)};
#undef X

/* The result of the child. */
struct trial {
	int32_t err;
	uint32_t step;
};

static int try_table(void)
{
	const struct net_table table = {.name = "ebb_doctor",
					.prefix = "ebbdoc-",
					.pool_v4 = {198, 18},
					.pool_v6 = {0xfd},
					.pool_v4_bits = 20,
					.pool_v6_bits = 64,
					.host_v4 = {198, 18, 0, 1},
					.dns_v4 = {198, 18, 0, 0},
					.dns_port = 5300,
					.resolver_count = 1,
					.connections_max = 16,
					.log_group = 1};
	SCOPED_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	return fd < 0 ? -errno : net_table_make(fd, &table);
}

static int try_link(void)
{
	SCOPED_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : net_wire_try(fd, "ebbdoc-");
}

/* In the order of ebb-net, whose sentence refuses a deployment. In a network namespace of its own,
 * which ends with the child and all that was made in it. */
__attribute__((noreturn)) static void child_main(int out_fd)
{
	struct trial t = {.step = NET_STEP_TABLE};

	t.err = unshare(CLONE_NEWNET) < 0 ? -errno : try_table();
	if (t.err == 0) {
		t.step = NET_STEP_LINK;
		t.err = try_link();
	}
	_exit(write(out_fd, &t, sizeof(t)) == (ssize_t)sizeof(t) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static struct trial try_in_child(void)
{
	const struct trial failed = {-EIO, NET_STEP_LINK};
	struct trial t = failed;
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0)
		return failed;
	pid = fork();
	if (pid == 0)
		child_main(fds[1]);
	close(fds[1]);
	if (pid < 0 || fd_read_all(fds[0], &t, sizeof(t)) != (ssize_t)sizeof(t) ||
	    t.step >= NET_STEP_COUNT)
		t = failed;
	close(fds[0]);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	return t;
}

void probe_network(struct host *host, struct finding *f)
{
	struct trial t;

	if (!host->root) {
		finding_needs_root(f);
		return;
	}
	t = try_in_child();
	if (t.err < 0)
		finding_bad(f, FINDING_WARN, NET_MEND_MODULES, "ebb.egress: %s: %s",
			    step_words[t.step], strerror(-t.err));
	else
		finding_ok(f, "a veth pair and a table of nf_tables can be made");
}

/* Without it the network works, and data for a frozen instance wait for its next thaw. */
void probe_wakes(struct host *host, struct finding *f)
{
	static const uint8_t pool_v4[4] = {198, 18}, pool_v6[16] = {0xfd};
	struct net_watch *watch = NULL;
	const char *step = "find a control group";
	int r = -ENOENT;

	if (!host->root) {
		finding_needs_root(f);
		return;
	}
	if (host->own_cgroup_fd >= 0)
		r = net_watch_open(host->own_cgroup_fd, pool_v4, pool_v6, &watch, &step);
	net_watch_close(watch);
	if (r < 0)
		finding_bad(f, FINDING_WARN, NET_MEND_WAKES,
			    "data cannot wake a frozen instance (ebb.network): cannot %s: %s", step,
			    strerror(-r));
	else
		finding_ok(f, "the kernel can tell of data for a frozen instance (BPF)");
}

void probe_route(struct host *host, struct finding *f)
{
	SCOPED_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd >= 0 && net_default_links(fd, AF_INET, NULL, 0) == 0 &&
	    net_default_links(fd, AF_INET6, NULL, 0) == 0)
		finding_bad(f, FINDING_WARN, NET_MEND_ROUTE, "ebb.egress: %s",
			    step_words[NET_STEP_ROUTE]);
	else
		finding_ok(f, "there is one");
}

void probe_resolver(struct host *host, struct finding *f)
{
	FILE *conf = fopen("/etc/resolv.conf", "re");
	char line[256], address[64] = "";
	uint8_t v4[4];
	bool found = false;

	while (conf && !found && fgets(line, sizeof(line), conf))
		found = sscanf(line, "nameserver %63s", address) == 1 &&
			inet_pton(AF_INET, address, v4) == 1;
	if (conf)
		fclose(conf);
	if (found)
		finding_ok(f, "%s", address);
	else
		finding_bad(f, FINDING_WARN, NET_MEND_RESOLVER, "ebb.egress: %s", NET_NO_RESOLVER);
}

void probe_addresses(struct host *host, struct finding *f)
{
	static const uint8_t usual[4] = {198, 18};
	SCOPED_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	uint8_t to[4];

	if (fd >= 0 && net_route_within(fd, usual, 15, to) == 1)
		finding_bad(f, FINDING_WARN, NET_MEND_POOL,
			    "the addresses for instances (198.18.0.0/15) are in use: this host has "
			    "a route to %u.%u.%u.%u",
			    to[0], to[1], to[2], to[3]);
	else
		finding_ok(f, "nobody else uses 198.18.0.0/15");
}
