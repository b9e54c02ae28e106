// SPDX-License-Identifier: Apache-2.0
/* Sockets born inside a network namespace, against a real one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "netns/connections.h"
#include "netns/netns.h"
#include "netns/nl.h"
#include "netns/sockets.h"
#include "netns/traffic.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define LISTEN_SYMBOL "ebb-test-socket"

#define BACKLOG 16
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* ip(7), since Linux 6.3 */
#endif

struct fixture {
	int home_fd, inside_fd;
	int listen_fd; /* 127.0.0.1:port inside */
	uint16_t port;
	int listed; /* how often its listener was */
};

static int loopback_up(void)
{
	SCOPED_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	return fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0 ? 0 : -errno;
}

static int listen_loopback(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_port = htons(*port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		return -errno;
	*port = ntohs(at.sin_port);
	return fd;
}

/* A child makes the namespace and keeps it only while we open it; the descriptor holds it then. */
static int make_namespace(void)
{
	int pipe_fds[2], ns_fd;
	char path[64], byte;
	pid_t pid;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || loopback_up() < 0 ||
		    write(pipe_fds[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	fd_close(&pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
	fd_close(&pipe_fds[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(ns_fd >= 0);
	return ns_fd;
}

static int setup(void **state)
{
	static struct fixture f;

	*state = NULL;
	if (geteuid() != 0)
		return 0;
	f.home_fd = netns_own();
	f.inside_fd = make_namespace();
	f.port = 0;
	assert_int_equal(setns(f.inside_fd, CLONE_NEWNET), 0);
	f.listen_fd = listen_loopback(&f.port);
	assert_int_equal(setns(f.home_fd, CLONE_NEWNET), 0);
	assert_true(f.listen_fd >= 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	fd_close(&f->home_fd);
	fd_close(&f->inside_fd);
	fd_close(&f->listen_fd);
	return 0;
}

static struct fixture *needs_root(void **state)
{
	if (!*state) {
		print_message("skipped: network namespaces need root\n");
		skip();
	}
	return *state;
}

static ino_t own_namespace(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return st.st_ino;
}

/* The end of a connect: 1 or -errno. */
static int finish(int fd, int r)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	while (r == 0) {
		assert_int_equal(poll(&p, 1, 10000), 1);
		r = netns_connect_result(fd);
	}
	return r;
}

static void a_socket_born_inside_reaches_the_loopback_inside(void **state)
{
	struct fixture *f = needs_root(state);
	int fds[4], accepted;
	char byte = 0;

	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_INET, fds, ARRAY_LEN(fds)), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		assert_int_equal(finish(fds[i], netns_connect_tcp(fds[i], f->port)), 1);
		accepted = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		assert_true(accepted >= 0);
		assert_int_equal(write(fds[i], "x", 1), 1);
		assert_int_equal(read(accepted, &byte, 1), 1);
		assert_int_equal(byte, 'x');
		fd_close(&accepted);
		fd_close(&fds[i]);
	}
}

/* An instance may have a network: no way leads there from a socket that a gateway holds. */
static void a_socket_born_inside_reaches_nothing_but_the_loopback(void **state)
{
	struct fixture *f = needs_root(state);
	char device[16] = "";
	socklen_t size = sizeof(device);
	int fd;

	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_INET, &fd, 1), 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &size), 0);
	assert_string_equal(device, "lo");
	fd_close(&fd);
}

/* A program's socket that may have this port only. */
static int connect_from(uint16_t from, uint16_t to)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
				       .sin_port = htons(to),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SCOPED_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t range = (uint32_t)from << 16 | from;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) < 0)
		return -errno;
	return connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
}

/* Both would have one pair of addresses and ports, and the program's connection would end the
 * other. */
static void no_program_inside_gets_the_port_of_a_socket(void **state)
{
	struct fixture *f = needs_root(state);
	struct sockaddr_in at;
	socklen_t size = sizeof(at);
	int fd, accepted, r;

	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_INET, &fd, 1), 0);
	assert_int_equal(finish(fd, netns_connect_tcp(fd, f->port)), 1);
	accepted = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(setns(f->inside_fd, CLONE_NEWNET), 0);
	r = connect_from(ntohs(at.sin_port), f->port);
	assert_int_equal(setns(f->home_fd, CLONE_NEWNET), 0);
	if (r != -ENOPROTOOPT) /* before Linux 6.3 nobody can ask for a port like this */
		assert_int_equal(r, -EADDRNOTAVAIL);
	assert_int_equal(write(fd, "x", 1), 1);
	fd_close(&accepted);
	fd_close(&fd);
}

static void the_host_does_not_reach_it(void **state)
{
	struct fixture *f = needs_root(state);
	int fd;

	assert_int_equal(netns_sockets(f->home_fd, f->home_fd, AF_INET, &fd, 1), 0);
	assert_int_equal(finish(fd, netns_connect_tcp(fd, f->port)), -ECONNREFUSED);
	fd_close(&fd);
}

static void a_refused_socket_can_be_used_again(void **state)
{
	struct fixture *f = needs_root(state);
	int fd;

	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_INET, &fd, 1), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(finish(fd, netns_connect_tcp(fd, 1)), -ECONNREFUSED);
	assert_int_equal(finish(fd, netns_connect_tcp(fd, f->port)), 1);
	fd_close(&fd);
	fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	fd_close(&fd);
}

/* With a full backlog a connect is not decided at once; calling again asks how it stands. */
static void a_connect_under_way_may_be_asked_again(void **state)
{
	enum { COUNT = BACKLOG + 2 };
	struct fixture *f = needs_root(state);
	int fds[COUNT], accepted, connected = 0, r = 1;

	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_INET, fds, COUNT), 0);
	for (; connected < COUNT && r == 1; connected += r)
		r = netns_connect_tcp(fds[connected], f->port);
	assert_int_equal(r, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(netns_connect_tcp(fds[connected], f->port), 0);
	for (int i = 0; i < COUNT; i++)
		fd_close(&fds[i]);
	for (; connected > 0; connected--) {
		accepted = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		fd_close(&accepted);
	}
}

static void sockets_are_nonblocking_and_close_on_exec(void **state)
{
	struct fixture *f = needs_root(state);
	int families[] = {AF_INET, AF_UNIX};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		int fd;

		assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, families[i], &fd, 1), 0);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		fd_close(&fd);
	}
}

static void the_caller_is_at_home_afterwards(void **state)
{
	struct fixture *f = needs_root(state);
	ino_t home = own_namespace();
	int fd;

	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_INET, &fd, 1), 0);
	assert_int_equal(own_namespace(), home);
	fd_close(&fd);
	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_MAX, &fd, 1), -EAFNOSUPPORT);
	assert_int_equal(own_namespace(), home);
	assert_int_equal(netns_sockets(f->listen_fd, f->home_fd, AF_INET, &fd, 1), -EINVAL);
	assert_int_equal(own_namespace(), home);
}

static void no_way_home_is_not_recoverable(void **state)
{
	struct fixture *f = needs_root(state);
	int fd = -1, next_fd, status;
	pid_t pid = fork();

	if (pid == 0) {
		next_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		close(next_fd);
		if (netns_sockets(f->inside_fd, f->listen_fd, AF_INET, &fd, 1) != -ENOTRECOVERABLE)
			_exit(1);
		/* nothing was left open */
		_exit(open("/dev/null", O_RDONLY | O_CLOEXEC) == next_fd ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The facts that the probe of an inherited socket goes by. */
static void who_waits_at_a_listener_sees_a_close_by_accepter_and_a_reset_otherwise(void **state)
{
	struct fixture *f = needs_root(state);
	int fd = netns_listen_unix(f->inside_fd, f->home_fd, LISTEN_SYMBOL, 8), fds[2], accepted;
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_UNIX, fds, 2), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(netns_connect_unix(fds[i], LISTEN_SYMBOL), 0);
		assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
		assert_int_equal(recv(fds[i], &byte, 1, 0), -1);
		assert_int_equal(errno, EAGAIN);
	}
	accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(recv(accepted, &byte, 1, 0), 0);
	fd_close(&accepted);
	assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
	fd_close(&fd);
	assert_int_equal(recv(fds[1], &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

static void an_abstract_listener_is_reached_from_inside_only(void **state)
{
	struct fixture *f = needs_root(state);
	int fd, inside_fd, outside_fd, accepted;

	fd = netns_listen_unix(f->inside_fd, f->home_fd, LISTEN_SYMBOL, 8);
	assert_true(fd >= 0);
	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_UNIX, &inside_fd, 1), 0);
	assert_int_equal(netns_sockets(f->home_fd, f->home_fd, AF_UNIX, &outside_fd, 1), 0);
	assert_int_equal(netns_connect_unix(outside_fd, LISTEN_SYMBOL), -ECONNREFUSED);
	assert_int_equal(netns_connect_unix(inside_fd, ""), -EINVAL);
	assert_int_equal(netns_connect_unix(inside_fd, LISTEN_SYMBOL), 0);
	accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	assert_int_equal(netns_listen_unix(f->inside_fd, f->home_fd, LISTEN_SYMBOL, 8),
			 -EADDRINUSE);
	assert_int_equal(netns_listen_unix(f->inside_fd, f->home_fd, "", 8), -EINVAL);
	fd_close(&accepted);
	fd_close(&inside_fd);
	fd_close(&outside_fd);
	fd_close(&fd);
}

/* The findings of a dump of the connections inside. */
struct dumped {
	uint16_t to; /* looked for */
	uint32_t count, udp, found;
	struct netns_connection last;
};

static void note_connection(void *self, const struct netns_connection *c)
{
	struct dumped *d = self;

	d->count++;
	d->udp += c->protocol == IPPROTO_UDP;
	if (c->protocol == IPPROTO_TCP && c->peer_port == d->to) {
		d->found++;
		d->last = *c;
	}
}

static struct dumped dump(const struct fixture *f, bool udp, int wanted)
{
	struct dumped d = {.to = f->port};

	assert_int_equal(netns_connections(f->inside_fd, f->home_fd, udp, note_connection, &d),
			 wanted);
	return d;
}

static int open_pair(const struct fixture *f, int *accepted)
{
	int fd;

	assert_int_equal(netns_sockets(f->inside_fd, f->home_fd, AF_INET, &fd, 1), 0);
	assert_int_equal(finish(fd, netns_connect_tcp(fd, f->port)), 1);
	*accepted = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*accepted >= 0);
	return fd;
}

static void connections_are_seen_with_their_times(void **state)
{
	struct fixture *f = needs_root(state);
	int accepted, fd = open_pair(f, &accepted);
	struct dumped d;

	assert_int_equal(write(fd, "hello", 5), 5);
	d = dump(f, false, 0);
	assert_int_equal(d.found, 1); /* and no listener */
	assert_true(d.last.known && d.last.owned);
	assert_int_equal(d.last.state, NETNS_ESTABLISHED);
	assert_int_equal(d.last.sent_bytes, 5);
	assert_int_equal(d.last.received_bytes, 0);
	assert_int_equal(d.last.peer[15], 1);
	assert_true(d.last.cookie != 0);
	fd_close(&accepted);
	fd_close(&fd);
}

static void connections_without_number_are_not_all_read(void **state)
{
	enum { PAIRS = NETNS_CONNECTIONS_MAX / 2 + 100 };
	struct fixture *f = needs_root(state);
	static int fds[PAIRS], accepted[PAIRS];
	struct dumped d;

	for (int n = 0; n < PAIRS; n++)
		fds[n] = open_pair(f, &accepted[n]);
	d = dump(f, true, 1);
	assert_true(d.count < 2 * PAIRS);
	for (int n = 0; n < PAIRS; n++) {
		fd_close(&fds[n]);
		fd_close(&accepted[n]);
	}
}

static void sockets_of_udp_are_seen_if_asked_for(void **state)
{
	struct fixture *f = needs_root(state);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd;

	assert_int_equal(setns(f->inside_fd, CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(f->home_fd, CLONE_NEWNET), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(dump(f, false, 0).udp, 0);
	assert_int_equal(dump(f, true, 0).udp, 1);
	fd_close(&fd);
}

static void count_listener(void *self, const struct net_socket *s)
{
	struct fixture *f = self;

	if (s->local_port == f->port && strcmp(net_socket_state(s->state), "LISTEN") == 0) {
		assert_false(net_socket_is_connection(s));
		assert_int_equal(s->protocol, IPPROTO_TCP);
		f->listed++;
	}
}

/* Asks the kernel to end the listener. 0 or -errno. */
static int end_listener(int fd, uint16_t port)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct inet_diag_req_v2 body = {
		.sdiag_family = AF_INET,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = ~0u,
		.id = {.idiag_sport = htons(port),
		       .idiag_src = {htonl(INADDR_LOOPBACK)},
		       .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}};
	struct nl n = NL_ON(buf);

	nl_begin(&n, SOCK_DESTROY, NLM_F_ACK, &body, sizeof(body));
	nl_end(&n);
	return nl_exchange(fd, &n);
}

/* A kernel that ends no sockets at all (CONFIG_INET_DIAG_DESTROY) says so. */
static void a_list_of_sockets_ends_none(void **state)
{
	struct fixture *f = needs_root(state);
	int fd = net_sockets_open(f->inside_fd, f->home_fd), status;
	pid_t child;

	assert_true(fd >= 0);
	f->listed = 0;
	assert_int_equal(net_sockets_each(fd, count_listener, f), 0);
	assert_int_equal(f->listed, 1);
	child = fork();
	if (child == 0) {
		int r = setuid(65534) < 0 ? 0 : end_listener(fd, f->port);

		_exit(r == -EPERM || r == -EOPNOTSUPP ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(net_sockets_each(fd, count_listener, f), 0);
	assert_int_equal(f->listed, 2);
	fd_close(&fd);
}

static void bytes_of_a_wire_are_those_of_ip_packets(void **state)
{
	static const char head[] = "Inter-|   Receive  |  Transmit\n"
				   " face |bytes    packets errs drop |bytes    packets errs\n"
				   "    lo: 9999 99 0 0 0 0 0 0 9999 99 0 0 0 0 0 0\n";
	struct net_traffic t = {0};
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "%s  eth0: 1140 10 0 0 0 0 0 0 228 2 0 0 0 0 0 0\n", head);
	assert_int_equal(net_traffic_parse(text, &t), 0);
	assert_int_equal(t.in_bytes, 1000);
	assert_int_equal(t.out_bytes, 200);
	snprintf(text, sizeof(text),
		 "%s  eth0:18446744073709551615 0 0 0 0 0 0 0 5 9 0 0 0 0 0 0\n", head);
	assert_int_equal(net_traffic_parse(text, &t), 0);
	assert_true(t.in_bytes == UINT64_MAX);
	assert_int_equal(t.out_bytes, 0);
	assert_int_equal(net_traffic_parse(head, &t), -ENODEV);
	assert_int_equal(net_traffic_parse("  eth0: 1 2 3", &t), -EPROTO);
}

static void a_namespace_without_a_wire_has_no_traffic(void **state)
{
	struct fixture *f = needs_root(state);
	struct net_traffic t;
	bool has_v6 = true;
	int fd = net_traffic_open(f->inside_fd, f->home_fd, &has_v6);

	assert_true(fd >= 0);
	assert_false(has_v6);
	assert_int_equal(net_traffic_read(fd, &t), -ENODEV);
	fd_close(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_born_inside_reaches_the_loopback_inside),
		cmocka_unit_test(a_socket_born_inside_reaches_nothing_but_the_loopback),
		cmocka_unit_test(no_program_inside_gets_the_port_of_a_socket),
		cmocka_unit_test(the_host_does_not_reach_it),
		cmocka_unit_test(a_refused_socket_can_be_used_again),
		cmocka_unit_test(a_connect_under_way_may_be_asked_again),
		cmocka_unit_test(sockets_are_nonblocking_and_close_on_exec),
		cmocka_unit_test(the_caller_is_at_home_afterwards),
		cmocka_unit_test(no_way_home_is_not_recoverable),
		cmocka_unit_test(
			who_waits_at_a_listener_sees_a_close_by_accepter_and_a_reset_otherwise),
		cmocka_unit_test(an_abstract_listener_is_reached_from_inside_only),
		cmocka_unit_test(connections_are_seen_with_their_times),
		cmocka_unit_test(connections_without_number_are_not_all_read),
		cmocka_unit_test(sockets_of_udp_are_seen_if_asked_for),
		cmocka_unit_test(a_list_of_sockets_ends_none),
		cmocka_unit_test(bytes_of_a_wire_are_those_of_ip_packets),
		cmocka_unit_test(a_namespace_without_a_wire_has_no_traffic),
	};

	return cmocka_run_group_tests_name("netns", tests, setup, teardown);
}
